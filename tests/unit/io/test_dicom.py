import numpy as np
import pytest

from scananalysis.core import ConfigurationError, FormatError
from scananalysis.io import convert, info, read

IMAGE = np.random.default_rng(5).integers(0, 1024, (9, 13), np.uint16)
IMAGE[0, :5] = 1023  # ten bits, saturated


def write_dicom(path, image=IMAGE, **fields):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["a"])
    head = Dataset()
    head.file_meta = meta
    head.SOPClassUID = meta.MediaStorageSOPClassUID
    head.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    head.Modality, head.PatientName = "CR", "Nobody^Known"
    head.Rows, head.Columns = image.shape[-2:]
    head.SamplesPerPixel, head.PixelRepresentation = 1, 0
    head.BitsAllocated, head.BitsStored, head.HighBit = 16, 10, 9
    head.PhotometricInterpretation = "MONOCHROME1"
    head.PixelData = image.astype("<u2").tobytes()
    for name, value in fields.items():
        setattr(head, name, value)
    head.save_as(path, enforce_file_format=True)
    return path


def test_named_scanner_reads_it(tmp_path):
    scan = read(write_dicom(tmp_path / "a.dcm"), scanner="gamma-co60")
    np.testing.assert_array_equal(scan.counts[0].T, IMAGE)
    assert (scan.stage, scan.scanner) == ("air-normalised", "gamma-co60")
    assert scan.metadata["saturated_counts"] == 1023
    assert "Nobody" not in str(scan.metadata)


def test_without_a_scanner_info_and_convert_work(tmp_path):
    path = write_dicom(tmp_path / "a.dcm")
    with pytest.raises(ConfigurationError, match="which scanner"):
        read(path)
    said = info(path)
    assert said["details"]["Modality"] == "CR"
    assert said["counts"][0]["maximum"] == IMAGE.max()
    assert said["counts"][0]["full_scale_percent"] == round(100 * float((IMAGE == 1023).mean()), 3)
    assert "Nobody" not in str(said)
    np.testing.assert_array_equal(np.load(convert(path, tmp_path / "a.npy")), IMAGE)
    with pytest.raises(ConfigurationError, match="which scanner"):
        convert(path, tmp_path / "a.h5")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.dcm", "a.npy"]


def test_two_frames_are_two_energies_by_a_layout(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", np.stack([IMAGE, IMAGE[::-1]]), NumberOfFrames=2)
    scan = read(path, layout="channel-first", scanner="rail-6-4mv")
    np.testing.assert_array_equal(scan.counts[1].T, IMAGE[::-1])
    with pytest.raises(ConfigurationError, match="array without a description"):
        read(path, scanner="rail-6-4mv")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"PixelIntensityRelationship": "LOG"}, "values are LOG"),
        ({"PixelIntensityRelationshipSign": -1}, "with sign -1"),
        ({"PixelRepresentation": 1}, "not an unsigned grey image"),
        ({"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}, "has 8 bits a sample"),
        ({"Rows": 60000, "Columns": 60000}, "samples"),
        ({"Rows": 20000, "Columns": 20000}, "would unpack"),
        ({"PixelData": bytes(20)}, "cannot be decoded"),
    ],
)
def test_what_is_no_linear_radiograph_is_refused(tmp_path, fields, text):
    path = write_dicom(tmp_path / "a.dcm", **fields)
    with pytest.raises(FormatError, match=text):
        read(path, scanner="gamma-co60")


@pytest.mark.real_data
def test_real_jpeg2000_radiograph(real_data, tmp_path):
    path = real_data / "cr_radiograph.dcm"
    said = info(path)
    assert said["shape"] == [1760, 1760]
    assert said["details"]["Modality"] == "CR"
    assert np.load(convert(path, tmp_path / "a.npy")).shape == (1760, 1760)


def test_a_picture_larger_than_the_header_says_is_not_decoded(tmp_path):
    """The decoder allocates what the JPEG 2000 picture asks for, so its own sizes are read first."""
    import struct

    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEG2000Lossless

    path = tmp_path / "a.dcm"
    write_dicom(path)
    import pydicom

    head = pydicom.dcmread(path)
    stream = b"\xff\x4f\xff\x51" + struct.pack(">HHIIII", 41, 0, 60000, 60000, 0, 0) + bytes(30)
    head.file_meta.TransferSyntaxUID = JPEG2000Lossless
    head.PixelData = encapsulate([stream])
    head["PixelData"].is_undefined_length = True
    head.save_as(path, enforce_file_format=True)
    with pytest.raises(FormatError, match="holds a picture of 60000×60000; expected 9×13"):
        read(path, scanner="gamma-co60")
