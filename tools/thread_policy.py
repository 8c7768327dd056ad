"""Sets how OpenMP threads wait. A tool that is no verb of `genvlkt` imports this module first, before torch is loaded."""

from genvlkt_start import set_thread_policy

set_thread_policy()
