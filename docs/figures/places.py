"""Where things are: the one list of file and function names behind the figures and the table of ``how_it_works.md``.

Files are relative to ``genvlkt_mmdet/``. After something has moved, change its line here and run
``python docs/figures/draw.py``, which draws the figures anew and rewrites the table.
"""

PLACES = {
    # from a file to a batch
    'read annotations': ('datasets/formats/reader.py', 'read_annotations'),
    'read HICO-DET release': ('datasets/formats/hico_release.py', 'read_hico_release'),
    'read V-COCO release': ('datasets/formats/vsrl.py', 'read_vsrl'),
    'dataset': ('datasets/hoi_dataset.py', 'HOIDataset'),
    'load image': ('datasets/transforms/loading.py', 'LoadHOIImage'),
    'load boxes': ('datasets/transforms/loading.py', 'LoadHOIAnnotations'),
    'color jitter': ('datasets/transforms/color_jitter.py', 'HOIColorJitter'),
    'resize': ('datasets/transforms/resize.py', 'HOIResizeShortSide'),
    'CLIP image': ('datasets/transforms/clip_image.py', 'MakeCLIPImage'),
    'pack': ('datasets/transforms/formatting.py', 'PackHOIInputs'),
    'data sample': ('structures/hoi_data_sample.py', 'HOIDataSample'),
    # what can be detected
    'vocabulary': ('datasets/vocabulary/hoi_vocabulary.py', 'HOIVocabulary'),
    'prompt': ('datasets/vocabulary/hoi_vocabulary.py', 'HOIVocabulary.hoi_prompts'),
    'new prompt': ('datasets/vocabulary/prompt_style.py', 'PromptStyle'),
    'open vocabulary': ('datasets/vocabulary/open_vocabulary.py', 'open_vocabulary'),
    # the network
    'detector': ('models/detectors/gen_vlkt.py', 'GENVLKT'),
    'encode': ('models/detectors/gen_vlkt.py', 'GENVLKT.encode'),
    'encoder': ('models/layers/transformer.py', 'HOITransformerEncoder'),
    'decoder': ('models/layers/transformer.py', 'GuidedDecoder'),
    'head': ('models/dense_heads/gen_head.py', 'GENHead'),
    'forward': ('models/dense_heads/gen_head.py', 'GENHead.forward'),
    'loss': ('models/dense_heads/gen_head.py', 'GENHead.loss_by_feat'),
    'predict': ('models/dense_heads/gen_head.py', 'GENHead.predict_by_feat'),
    'text classifier': ('models/layers/classifier.py', 'TextClassifier'),
    'text embeddings': ('models/vlkt/text_embeddings.py', 'encode_text'),
    'teacher': ('models/vlkt/teacher.py', 'CLIPTeacher'),
    'CLIP source': ('models/vlkt/clip_source.py', 'CLIPSource'),
    # training
    'assigner': ('models/task_modules/hoi_hungarian_assigner.py', 'HOIHungarianAssigner'),
    'HOI cost': ('models/task_modules/match_cost.py', 'HOIClassCost'),
    'object cost': ('models/task_modules/match_cost.py', 'HOIObjectClassCost'),
    'L1 cost': ('models/task_modules/match_cost.py', 'HOIPairL1Cost'),
    'GIoU cost': ('models/task_modules/match_cost.py', 'HOIPairGIoUCost'),
    'HOI loss': ('models/losses/hoi_focal_loss.py', 'HOIFocalLoss'),
    'mimic loss': ('models/losses/vlkt_loss.py', 'VLKTLoss'),
    'train': ('engine/launch.py', 'train_model'),
    # triplets and what is done with them
    'triplet score': ('models/task_modules/triplet_score.py', 'triplet_scores'),
    'selection': ('models/task_modules/triplet_selection.py', 'TopHOITriplets'),
    'NMS': ('models/task_modules/triplet_nms.py', 'HOITripletNMS'),
    'HICO metric': ('evaluation/metrics/hico_metric.py', 'HICOMetric'),
    'HICO AP': ('evaluation/functional/hico.py', 'evaluate_hico'),
    'V-COCO metric': ('evaluation/metrics/vcoco_metric.py', 'VCOCOMetric'),
    'V-COCO AP': ('evaluation/functional/vcoco.py', 'evaluate_vcoco'),
    'results file': ('evaluation/results/results_file.py', 'write_results'),
    'visualizer': ('visualization/hoi_visualizer.py', 'HOIVisualizer'),
    'drawn pairs': ('visualization/drawn_pairs.py', 'DrawnPair'),
    'inferencer': ('apis/hoi_inferencer.py', 'HOIInferencer'),
    'checkpoint converter': ('converters/official.py', 'official_to_genvlkt'),
}

#: Rows of the table in ``how_it_works.md``: what a reader looks for, and its place.
QUESTIONS = {
    'The score of a triplet': 'triplet score',
    'Which triplets an image keeps': 'selection',
    'Non-maximum suppression': 'NMS',
    'The matching of queries and pairs': 'assigner',
    'The matching cost of the HOI classes': 'HOI cost',
    'The matching cost of the boxes': 'L1 cost',
    'All losses of a batch': 'loss',
    'The focal loss of the HOI classes': 'HOI loss',
    'The mimic loss': 'mimic loss',
    'The CLIP teacher': 'teacher',
    'The text embeddings': 'text embeddings',
    'The classifier made of text': 'text classifier',
    'Guided embeddings (p-GE, i-GE) and both decoders': 'forward',
    'The AP of HICO-DET': 'HICO AP',
    'The AP of V-COCO, Scenario 1 and Scenario 2': 'V-COCO AP',
    'The classes, and the prompt of an HOI': 'prompt',
    'The prompt of a new phrase': 'new prompt',
    'Reading any annotation file': 'read annotations',
    "Reading HICO-DET's release": 'read HICO-DET release',
    "Reading V-COCO's release": 'read V-COCO release',
    'What an image carries through the code': 'data sample',
    'Drawing a pair': 'visualizer',
    'Which pairs are drawn': 'drawn pairs',
    'Prediction from Python': 'inferencer',
    "Converting the authors' checkpoints": 'checkpoint converter',
}
