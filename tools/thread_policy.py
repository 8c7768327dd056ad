"""Lets waiting OpenMP threads sleep after a short spin, unless OMP_WAIT_POLICY is set.

On a CPU that other processes also use, spinning threads take cores from those that work, and a training step becomes several
times slower. But a step of a small model has thousands of parallel regions, and waking a thread for each of them costs a quarter
of the step. A spin of 20,000 rounds bridges most of them.

The OpenMP runtime reads the variables when torch loads it, so a tool imports this module first. The package itself does not
change the environment.
"""

import os

if 'OMP_WAIT_POLICY' not in os.environ:
    os.environ['OMP_WAIT_POLICY'] = 'PASSIVE'
    os.environ.setdefault('GOMP_SPINCOUNT', '20000')
