"""Times the training input of HICO-DET, from JPEG files to a normalised batch, beside PIL and torchvision doing the same.

Each call seeds all generators of random numbers, so that a candidate does the same work in every turn. The
two draw different sizes: 'Mpixel/image' says how large their results are on average.
"""

import random
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from PIL import Image
from torch import Tensor
from torchvision import transforms as T
from torchvision.transforms import functional as F

from genvlkt_mmdet.apis.configs import read_config

SHORT_SIDES = range(480, 801, 32)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
# Stage of each transform of the package's pipeline; others are 'other'.
STAGE_OF = {
    'LoadHOIImage': 'decode',
    'HOIColorJitter': 'jitter',
    'RandomChoice': 'resize',
    'MakeCLIPImage': 'CLIP image',
}


class Recipe:
    """The recipe with PIL and torchvision alone: flip, colour jitter, resize or crop and resize, CLIP's image."""

    def __init__(self) -> None:
        self.jitter = T.ColorJitter(0.4, 0.4, 0.4)
        self._normalize = T.Compose([T.ToTensor(), T.Normalize(*IMAGENET)])
        clip_size = T.Resize(224, T.InterpolationMode.BICUBIC)
        self.clip_image = T.Compose([clip_size, T.CenterCrop(224), T.ToTensor(), T.Normalize(*CLIP)])

    def decode(self, path: str) -> Image.Image:
        """Reads an image."""
        return Image.open(path).convert('RGB')

    def resize(self, image: Image.Image, boxes: Tensor) -> tuple[Image.Image, Tensor]:
        """Resizes, every second time after a smaller resize and a crop."""
        if random.random() < 0.5:
            image, boxes = self._short_side(image, boxes, random.choice((400, 500, 600)))
            width, height = (random.randint(min(side, 384), min(side, 600)) for side in image.size)
            top, left, height, width = T.RandomCrop.get_params(image, (height, width))
            image = F.crop(image, top, left, height, width)
            boxes = (boxes - torch.tensor([left, top, left, top])).clamp(min=0)
            boxes = boxes.minimum(torch.tensor([width, height, width, height]))
        return self._short_side(image, boxes, random.choice(SHORT_SIDES))

    @staticmethod
    def _short_side(image: Image.Image, boxes: Tensor, short: int) -> tuple[Image.Image, Tensor]:
        low, high = min(image.size), max(image.size)
        scale = min(short / low, 1333 / high)
        width, height = (round(side * scale) for side in image.size)
        return F.resize(image, [height, width]), boxes * scale

    def collate(self, images: Sequence[Image.Image]) -> Tensor:
        """Normalises the images and pads them to a batch."""
        tensors = [self._normalize(image) for image in images]
        height, width = (max(tensor.shape[k] for tensor in tensors) for k in (1, 2))
        batch = torch.zeros(len(tensors), 3, height, width)
        for row, tensor in zip(batch, tensors):
            row[:, : tensor.shape[1], : tensor.shape[2]] = tensor
        return batch

    def item(self, item: dict) -> tuple[Image.Image, Tensor, Tensor]:
        """From a record to an image, its boxes and its CLIP image."""
        image = self.decode(item['img_path'])
        boxes = torch.tensor([instance['bbox'] for instance in item['instances']])
        if random.random() < 0.5:
            image = F.hflip(image)
            boxes = boxes[:, [2, 1, 0, 3]] * torch.tensor([-1, 1, -1, 1]) + torch.tensor([image.width, 0] * 2)
        image, boxes = self.resize(self.jitter(image), boxes)
        return image, boxes, self.clip_image(image)


def records(folder: Path, num_hois: int) -> list[dict]:
    """Records of the images of a folder as a dataset gives them, two pairs each."""
    result = []
    for i, path in enumerate(
        sorted(path for path in folder.iterdir() if path.suffix.lower() in ('.jpg', '.jpeg', '.png'))
    ):
        with Image.open(path) as image:
            width, height = image.size
        parts = ((0.1, 0.1, 0.4, 0.9), (0.3, 0.4, 0.7, 0.9), (0.5, 0.1, 0.8, 0.9), (0.2, 0.5, 0.9, 0.8))
        boxes = [[x1 * width, y1 * height, x2 * width, y2 * height] for x1, y1, x2, y2 in parts]
        labels = np.array([0, 1, 0, 2])
        pairs = dict(
            human_ids=np.array([0, 2]),
            object_ids=np.array([1, 3]),
            object_labels=labels[[1, 3]],
            hoi_labels=np.eye(num_hois, dtype=np.float32)[:2],
        )
        instances = [dict(bbox=b, bbox_label=int(n), ignore_flag=0) for b, n in zip(boxes, labels)]
        result.append(dict(img_path=str(path), img_id=i, height=height, width=width, instances=instances, pairs=pairs))
    return result


def make_images(folder: Path, count: int) -> None:
    """Writes JPEG files of 640 x 480 pixels with the smoothness of photographs, about 100 KB each."""
    rng = np.random.default_rng(0)
    for i in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((640, 480), Image.BICUBIC)
        noise = rng.normal(0, 8, (480, 640, 1))
        pixels = (np.asarray(coarse) + noise).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f'{i:04d}.jpg', quality=90)


def _seeded(records: Sequence[dict]) -> list[dict]:
    """Copies of the records that a pipeline may change; seeds all generators."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    return [dict(record, pairs=dict(record['pairs'])) for record in records]


def _in_batches(items: Sequence[Any], batch: int) -> list[Sequence[Any]]:
    return [items[i : i + batch] for i in range(0, len(items), batch)]


def genvlkt(records: Sequence[dict], batch: int) -> common.Candidate:
    """The package's pipeline, and its preprocessor on the CPU."""
    cfg = read_config('gen_vlkt_s_hico')
    init_default_scope('mmdet')
    pipeline = Compose(cfg.train_dataloader.dataset.pipeline)
    preprocessor = MODELS.build(cfg.model.data_preprocessor)

    def call() -> float:
        pixels = 0
        for group in _in_batches(_seeded(records), batch):
            items = [pipeline(record) for record in group]
            preprocessor(pseudo_collate(items), True)
            pixels += sum(item['inputs'][0].numel() for item in items)
        return pixels / len(records) / 1e6

    stages: dict[str, list[tuple[Any, str]]] = {}
    for transform in pipeline.transforms:
        if type(transform).__name__ in STAGE_OF:
            stages.setdefault(STAGE_OF[type(transform).__name__], []).append((transform, 'transform'))
    stages['collate'] = [(preprocessor, 'forward')]
    return common.Candidate(call, stages)


def torchvision(records: Sequence[dict], batch: int) -> common.Candidate:
    """The same recipe with PIL and torchvision."""
    recipe = Recipe()

    def call() -> float:
        pixels = 0
        for group in _in_batches(_seeded(records), batch):
            images, _, clip_images = zip(*(recipe.item(record) for record in group))
            recipe.collate(images)
            torch.stack(clip_images)
            pixels += sum(image.width * image.height for image in images)
        return pixels / len(records) / 1e6

    methods = ('decode', 'jitter', 'resize', 'clip_image', 'collate')
    return common.Candidate(call, {name.replace('clip_', 'CLIP '): [(recipe, name)] for name in methods})


CANDIDATES = {'genvlkt': genvlkt, 'PIL + torchvision': torchvision}


def main() -> None:
    """Entry point."""
    parser = common.parser(__doc__, model=False, threads=1)
    parser.add_argument('--images', type=Path, help='folder of images (default: made for the run)')
    parser.add_argument('--number', type=int, default=32, help='how many images to make')
    parser.add_argument('--batch-size', type=int, default=2, help='images of a batch')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        if args.images is None:
            make_images(Path(folder), args.number)
        items = records(args.images or Path(folder), 600)
        if not items:
            parser.error(f'there are no images in {args.images}')
        builders = {
            name: partial(make, items, args.batch_size) for name, make in common.chosen(CANDIDATES, args).items()
        }
        figures = common.measure(builders, args.repeats, len(items))
    kind = 'made images of 640 x 480' if args.images is None else 'given images'
    common.finish('data', args, [dict(case=f'{len(items)} {kind}', **figures)])


if __name__ == '__main__':
    main()
