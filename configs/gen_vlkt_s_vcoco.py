_base_ = [
    '_base_/models/gen_vlkt_s.py',
    '_base_/datasets/vcoco.py',
    '_base_/schedules/schedule_90e.py',
    '_base_/default_runtime.py',
]

model = dict(bbox_head=dict(vocabulary='vcoco'))
