package conda

import "time"

// Limits bounds what [Inspect] reads out of an archive. Zero fields take their
// defaults.
type Limits struct {
	// MaxEntries is how many files, links and directories a package may have.
	// Default: 200,000. Each costs some 150 bytes while a package is read, its path
	// beside that: paths may have 128 bytes on average over so many entries.
	MaxEntries int
	// MaxUnpacked is how many bytes a package may unpack to. Default: 16 GiB.
	MaxUnpacked int64
	// MaxRatio is how many times its own size a package may unpack to, once that
	// is more than RatioFrom bytes. Defaults: 200 and 64 MiB.
	MaxRatio  int64
	RatioFrom int64
	// MaxIndexJSON is the size in bytes of info/index.json. Default: 1 MiB.
	MaxIndexJSON int64
	// MaxInfoFile is the size in bytes of info/about.json, run_exports.json and
	// link.json, each. Default: 4 MiB.
	MaxInfoFile int64
	// MaxPathsJSON is the size in bytes of info/paths.json and info/files, which
	// are read as they stream by. Default: 128 MiB.
	MaxPathsJSON int64
	// MaxWindow is the size in bytes of the window that a zstd frame may ask for,
	// and so of the memory that reading one package takes. Default: 128 MiB, which
	// the highest level of compression uses.
	MaxWindow int64
	// FutureTolerance is how far ahead of our clock a package's time of build may
	// be (CEP 47). Default: 10 minutes, which clocks that are set by hand keep.
	FutureTolerance time.Duration
}

func (l Limits) withDefaults() Limits {
	set := func(v *int64, def int64) {
		if *v <= 0 {
			*v = def
		}
	}
	if l.MaxEntries <= 0 {
		l.MaxEntries = 200_000
	}
	set(&l.MaxUnpacked, 16<<30)
	set(&l.MaxRatio, 200)
	set(&l.RatioFrom, 64<<20)
	set(&l.MaxIndexJSON, 1<<20)
	set(&l.MaxInfoFile, 4<<20)
	set(&l.MaxPathsJSON, 128<<20)
	set(&l.MaxWindow, 128<<20)
	if l.FutureTolerance <= 0 {
		l.FutureTolerance = 10 * time.Minute
	}
	return l
}

// unpacked is how many bytes a package of that size may unpack to.
func (l Limits) unpacked(size int64) int64 {
	allowed := l.MaxUnpacked
	if size < l.MaxUnpacked/l.MaxRatio {
		allowed = size * l.MaxRatio
	}
	return min(max(allowed, l.RatioFrom), l.MaxUnpacked)
}
