from genvlkt_mmdet.progress import progress_bar


def test_bar_goes_to_the_error_stream(capsys):
    for visible in (True, False):
        with progress_bar('Counting', 3, visible) as advance:
            for _ in range(3):
                advance(1)
        captured = capsys.readouterr()
        assert captured.out == ''
        assert ('Counting' in captured.err and '100%' in captured.err) if visible else captured.err == ''
