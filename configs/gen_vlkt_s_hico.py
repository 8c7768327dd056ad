_base_ = [
    '_base_/models/gen_vlkt_s.py',
    '_base_/datasets/hico_det.py',
    '_base_/schedules/schedule_90e.py',
    '_base_/default_runtime.py',
]
