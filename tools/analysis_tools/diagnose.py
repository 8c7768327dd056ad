"""The verb `genvlkt eval` as a script, for its option `--diagnose`."""

from genvlkt_start import start

if __name__ == '__main__':
    start('eval')
