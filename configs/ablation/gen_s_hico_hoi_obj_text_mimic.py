# Table 4b: + mimic, which is GEN-VLKT-S itself.
_base_ = '../gen_vlkt_s_hico.py'
