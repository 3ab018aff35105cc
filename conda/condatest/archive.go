package condatest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// Tar makes a tar archive of entries, in their order.
func Tar(entries ...*Entry) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		must(w.WriteHeader(&e.Header))
		_, err := w.Write(e.Content)
		must(err)
	}
	must(w.Close())
	return b.Bytes()
}

// Member is one member of a zip archive.
type Member struct {
	Name string
	Data []byte
}

// Zip makes a zip archive whose members are stored, as those of a .conda file
// are, with their sizes before their data.
func Zip(members ...Member) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, m := range members {
		f, err := w.CreateRaw(&zip.FileHeader{
			Name: m.Name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(m.Data),
			CompressedSize64: uint64(len(m.Data)), UncompressedSize64: uint64(len(m.Data)),
		})
		must(err)
		_, err = f.Write(m.Data)
		must(err)
	}
	must(w.Close())
	return b.Bytes()
}

// Zstd compresses into one zstd frame.
func Zstd(data []byte) []byte {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	must(err)
	defer w.Close()
	return w.EncodeAll(data, nil)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
