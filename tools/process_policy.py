"""Sets how OpenMP threads wait and keeps freed memory. A tool that is no verb of `genvlkt` imports this module before torch."""

from genvlkt_start import set_process_policy

set_process_policy()
