# 5 % of the training images for as many epochs as with all of them (HOICLIP's table of fractions).
_base_ = '../hoiclip/hoiclip_hico.py'

# Verb embeddings of these images
verb_embeddings = 'data/hico_20160224_det/verb_embeddings_frac_5.safetensors'
model = dict(bbox_head=dict(hoi_classifier=dict(verb_embeddings=verb_embeddings)))
train_dataloader = dict(dataset=dict(fraction=0.05))
