"""The diagnosis of HICO-DET detections as plain loops, written from the definitions: reference for the tests.

An image is a dict as in annotation files: ``boxes`` (list of (category, box)), ``gt`` (list of (human box index, object box
index, verb)) and ``preds`` (list of (human box, object box, object category, verb, score)). Category 0 is the person.
"""

from collections import defaultdict

# Fixes by their names in the reference numbers
FIXES = dict(
    none='none',
    dup='duplicate',
    both='both_boxes',
    hum='human_box',
    obj='object_box',
    assoc='association',
    action='interaction',
    missing='missing',
)


def overlap(category, box, gt_category, gt_box, strict=True):
    if category != gt_category:
        return 0.0
    x1, y1, x2, y2 = max(box[0], gt_box[0]), max(box[1], gt_box[1]), min(box[2], gt_box[2]), min(box[3], gt_box[3])
    if strict and (x1 >= x2 or y1 >= y2):
        return 0.0
    inter = max(x2 - x1 + 1, 0) * max(y2 - y1 + 1, 0)
    areas = [(b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (box, gt_box)]
    return inter / (areas[0] + areas[1] - inter)


def diagnose_image(image, shared=False, merged=False, strict=True):
    """Flag of each prediction, and the true positive and the best match of each annotation."""
    preds, gts, boxes = image['preds'], image['gt'], image['boxes']

    def place(values, i):
        return values.index(values[i]) if shared else i

    flags, gt_tp, gt_best = [-1] * len(preds), [-1] * len(gts), [-1] * len(gts)
    turns = [g for g in range(len(gts)) if not merged or gts.index(gts[g]) == g]
    by_score = sorted(range(len(preds)), key=lambda i: -preds[i][4])
    matches = {}
    for i in by_score:
        human, obj, category, verb, _ = preds[i]
        humans = {b: v for b in range(len(boxes)) if (v := overlap(0, human, *boxes[b], strict)) >= 0.5}
        objects = {b: v for b in range(len(boxes)) if (v := overlap(category, obj, *boxes[b], strict)) >= 0.5}
        matches[i] = humans, objects
        joined = [g for g in turns if gts[g][0] in humans and gts[g][1] in objects]
        right = [g for g in joined if gts[g][2] == verb]
        if right:
            best = max(right, key=lambda g: min(humans[gts[g][0]], objects[gts[g][1]]))
            slot = place(gts, best)
            flag = 0 if gt_tp[slot] < 0 else 6
            if flag == 0:
                gt_tp[slot] = place(preds, i)
        elif humans and objects:
            flag = 5 if joined else 4
        else:
            flag = 2 if humans else 1 if objects else 3
        flags[place(preds, i)] = flag
    taken = set()
    for g in turns:
        slot = place(gts, g)
        for i in by_score:
            p = place(preds, i)
            if p == gt_tp[slot]:
                break
            humans, objects = matches[p]
            if flags[p] == 0 or p in taken:
                continue
            if gts[g][0] in humans if humans else gts[g][1] in objects:
                gt_best[slot] = p
                taken.add(p)
                break
    return flags, gt_tp, gt_best


def average_precision(rows, n_gt, thresholds):
    """AP of (score, is right, is added) rows and the number of right ones. Of equal scores, the added ones are last."""
    rows = sorted(rows, key=lambda row: (-row[0], row[2]))
    points, tp = [], 0
    for k, (_, right, _) in enumerate(rows, start=1):
        tp += right
        points.append((tp / n_gt, tp / k))
    return sum(max((p for r, p in points if r >= t), default=0.0) for t in thresholds) / len(thresholds), tp


def fixed_map(images, fix, thresholds, found_mean, missing_everywhere, merged, shared, strict=True, classes=None):
    """mAP with one kind of error fixed. ``classes``: the mean is over them. None: over those with annotations."""
    rows, n_gt = defaultdict(list), defaultdict(int)
    kind = dict(
        human_box=1, object_box=2, both_boxes=3, association=4, interaction=5, duplicate=6, none=None, missing=None
    )[fix]
    for image in images:
        preds, gts = image['preds'], image['gt']
        flags, gt_tp, gt_best = diagnose_image(image, shared, merged, strict)
        label = [(image['boxes'][o][0], v) for _, o, v in gts]
        gone = set()
        if kind in (1, 2, 4, 5):
            for g, p in enumerate(gt_best):
                if p >= 0 and flags[p] == kind:
                    rows[label[g]].append((preds[p][4], True, True))
                    gone |= {p, gt_tp[g]}
        for i, (_, _, category, verb, score) in enumerate(preds):
            if fix not in ('none', 'missing') and flags[i] in (kind, -1) or i in gone:
                continue
            rows[category, verb].append((score, flags[i] == 0, False))
        for g in range(len(gts)):
            if merged and gts.index(gts[g]) != g:
                continue
            lost = fix == 'missing' and gt_tp[g] < 0 and gt_best[g] < 0 and (preds or missing_everywhere)
            n_gt[label[g]] += not lost
    aps = {}
    for c in n_gt:
        if n_gt[c]:
            aps[c], tp = average_precision(rows[c], n_gt[c], thresholds)
            if found_mean and rows[c] and not tp:
                del aps[c]
    if classes is not None:
        return sum(aps.get(c, 0.0) for c in classes) / len(classes)
    return sum(aps.values()) / len(aps) if aps else float('nan')


def pair_localisation(images, credit_first):
    """Recall and precision of pairs, of the images that count."""
    hit = annotated = right = detected = 0
    for image in images:
        pairs = list(dict.fromkeys(pred[:3] for pred in image['preds']))
        gt_pairs = list(dict.fromkeys(gt[:2] for gt in image['gt']))
        boxes = image['boxes']
        hits = [
            [overlap(0, h, *boxes[gh]) >= 0.5 and overlap(c, o, *boxes[go]) >= 0.5 for h, o, c in pairs]
            for gh, go in gt_pairs
        ]
        annotated += len(gt_pairs)
        detected += len(pairs)
        hit += sum(map(any, hits))
        firsts = {row.index(True) for row in hits if any(row)}
        right += len(firsts) if credit_first else sum(map(any, zip(*hits)))
    return hit / annotated, right / detected


def person_overlap(box, other):
    """IoU with +1, without the test for strict overlap; 0 for an empty box."""
    if any(v != v for v in (*box, *other)):
        return 0.0
    width = min(box[2], other[2]) - max(box[0], other[0]) + 1
    height = min(box[3], other[3]) - max(box[1], other[1]) + 1
    inter = max(width, 0) * max(height, 0)
    areas = [(b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (box, other)]
    return inter / (areas[0] + areas[1] - inter)


def diagnose_vcoco_image(image, slots, right_boxes):
    """V-COCO: flag of each role of each detection, and the true positive and best match of each annotated role.

    ``image``: ``persons`` (list of dicts with ``box``, ``annotated`` and ``roles``, {verb: object box or None}), ``boxes`` (all
    annotated boxes) and ``preds`` (list of (person box, {verb: (object box or None, score)})). ``slots``: verbs with a role.
    """
    persons, near = image['persons'], lambda a, b: a is not None and b is not None and person_overlap(a, b) >= 0.5
    actions = {verb: action for verb, (action, _) in slots.items()}
    gts = [
        (p, verb)
        for p, person in enumerate(persons)
        if person['annotated']
        for verb in slots
        if actions[verb] in {actions[v] for v in person['roles']}
    ]
    flags, gt_tp, taken_by = {}, {}, {}
    listed = [(d, verb) for verb in slots for d, (_, roles) in enumerate(image['preds']) if verb in roles]

    def score(pred):
        return image['preds'][pred[0]][1][pred[1]][1]

    # Of equal scores, the later detection is first.
    by_score = sorted(listed, key=lambda pred: (score(pred), pred), reverse=True)
    for d, verb in by_score:
        human, roles = image['preds'][d]
        obj = roles[verb][0]
        overlaps = [person_overlap(human, person['box']) for person in persons]
        best = overlaps.index(max(overlaps)) if persons else None
        person = persons[best] if persons else dict(annotated=True, roles={})
        if not person['annotated']:
            flags[d, verb] = -1
            continue
        human_right = bool(persons) and overlaps[best] >= 0.5
        target = person['roles'].get(verb)
        object_right = near(target, obj) if target is not None else obj is None
        acts = actions[verb] in {actions[v] for v in person['roles']}
        if human_right and object_right:
            flag = 5 if not acts else 6 if (best, verb) in gt_tp else 0
            if flag == 0:
                gt_tp[best, verb] = d, verb
        elif human_right:
            flag = 4 if any(near(obj, box) for box in image['boxes']) else 2
        elif object_right:
            flag = 4 if any(near(human, box) for box in image['boxes']) else 1
        else:
            flag = 3
        flags[d, verb] = flag
    gt_best = {}
    for p, verb in gts:
        for pred in by_score[:100]:
            if gt_tp.get((p, verb)) == pred:
                break
            if flags[pred] == 0 or pred in taken_by:
                continue
            own = pred
            if not right_boxes:
                same = [other for other in by_score if other[1] == pred[1]]
                own = [other for other in listed if other[1] == pred[1]][same.index(pred)]
            human, roles = image['preds'][own[0]]
            if near(human, persons[p]['box']) or near(roles[own[1]][0], persons[p]['roles'].get(verb)):
                gt_best[p, verb] = pred
                taken_by[pred] = p, verb
                break
    return flags, gts, gt_tp, gt_best
