_base_ = [
    '_base_/models/gen_vlkt_s.py',
    '_base_/datasets/vcoco.py',
    '_base_/schedules/schedule_90e.py',
    '_base_/default_runtime.py',
]

model = dict(
    bbox_head=dict(vocabulary='vcoco'),
    # V-COCO ranks every detected person for every role, so all triplets of a pair stay.
    test_cfg=dict(
        _delete_=True,
        type='VerbHOITriplets',
        nms=dict(type='HOITripletNMS', iou_threshold=0.7, human_power=1.0, object_power=0.5),
    ),
)
