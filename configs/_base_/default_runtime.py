custom_imports = dict(imports=['genvlkt_mmdet'], allow_failed_imports=False)
default_scope = 'mmdet'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    # losses and metrics on one axis, that of the iterations
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='SafeCheckpointHook', interval=1, max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # a training that starts from a checkpoint asks for no other weights
    checkpoint_start=dict(type='CheckpointStartHook'),
    # a killed and resumed training ends like one that was not killed
    reproducible_epochs=dict(type='ReproducibleEpochsHook'),
    visualization=dict(type='HOIVisualizationHook', score_thr=1.4),  # of 2, see docs/inference.md
)
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)

vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='HOIVisualizer', vis_backends=vis_backends, name='visualizer')
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True)

log_level = 'INFO'
load_from = None
resume = False
