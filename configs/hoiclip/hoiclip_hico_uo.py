# HOICLIP, zero-shot: unseen objects. Pairs with an unseen HOI are dropped in training.
_base_ = 'hoiclip_hico.py'

zero_shot = 'unseen_object'
# Verb embeddings of this split's training images: a verb without any stays random.
verb_embeddings = 'data/hico_20160224_det/verb_embeddings_uo.safetensors'
model = dict(bbox_head=dict(zero_shot=zero_shot, hoi_classifier=dict(verb_embeddings=verb_embeddings)))
train_dataloader = dict(dataset=dict(zero_shot=zero_shot))
test_dataloader = dict(dataset=dict(zero_shot=zero_shot))
val_dataloader = dict(dataset=dict(zero_shot=zero_shot))
