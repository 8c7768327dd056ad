"""Lets waiting OpenMP threads sleep after a short spin, unless OMP_WAIT_POLICY is set.

On a CPU that other processes use too, spinning threads take the cores from those that work: a training step becomes several times
slower. A step of a small model has thousands of parallel regions, though, and waking a sleeper for each of them costs a quarter
of the step; a spin of 1,000 rounds bridges most of them.

The OpenMP runtime reads the variables when torch loads it. A tool therefore imports this module before anything else; the package
itself leaves the environment of whoever imports it alone.
"""

import os

if 'OMP_WAIT_POLICY' not in os.environ:
    os.environ['OMP_WAIT_POLICY'] = 'PASSIVE'
    os.environ.setdefault('GOMP_SPINCOUNT', '1000')
