import numpy as np

from components.content_vectors import content_vectors, read_content, save_content


def test_worked_example(tmp_path):
    """(3, 4) over 5 is (.6, .8), beside (1,); what is absent, or has no length, is zeros, and nothing known of it."""
    vectors = {
        "text": np.array([[3.0, 4.0], [1.0, 1.0], [0.0, 0.0], [1e30, 0.0]], dtype=np.float32),
        "image": np.array([[7.0], [7.0], [7.0], [7.0]], dtype=np.float32),
    }
    present = {
        "text": np.array([True, False, True, True]), "image": np.array([True, False, False, False]),
    }  # fmt: skip
    joined = content_vectors(4, vectors, present, {"text": "words/2", "image": "pixels/1"})
    np.testing.assert_allclose(joined.vectors, [[1, 0.6, 0.8], [0, 0, 0], [0, 0, 0], [0, 1, 0]], rtol=1e-6)
    assert joined.is_known.tolist() == [True, False, False, True]
    assert (joined.space, joined.width, len(joined)) == ("image=pixels/1 text=words/2", 3, 4)
    assert read_content(tmp_path) is None
    save_content(joined.of(np.array([3, 0])), tmp_path)
    again = read_content(tmp_path)
    assert again is not None
    assert again.space == joined.space
    np.testing.assert_array_equal(again.vectors, joined.vectors[[3, 0]])


def test_without_a_modality_an_item_has_no_columns():
    joined = content_vectors(3, {}, {}, {})
    assert joined.vectors.shape == (3, 0)
    assert not joined.is_known.any()
