package tests

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairwayhq/fairway/passthrough/upstreamtest"
	"github.com/fairwayhq/fairway/tests/harness"
)

// behind is a gateway in front of an upstream of its own; options are lines of the
// upstream's block, app lines of the whole.
func behind(t *testing.T, up *upstreamtest.Server, app string, options ...string) *harness.Gateway {
	t.Helper()
	return harness.Start(t, harness.Options{App: upstreamLines(up, app, options...)})
}

func upstreamLines(up *upstreamtest.Server, app string, options ...string) string {
	return fmt.Sprintf("%s\nupstream pypi %s {\n%s\n}", app, up.Simple(), strings.Join(options, "\n"))
}

// wheelFile is a real wheel as an upstream lists it, metadata and all.
func wheelFile(name, version string, requires ...string) upstreamtest.File {
	return upstreamtest.File{
		Filename: strings.ReplaceAll(name, "-", "_") + "-" + version + "-py3-none-any.whl", Content: upstreamtest.Wheel(name, version, requires...),
		Metadata: upstreamtest.Metadata(name, version, requires...), UploadTime: time.Now().AddDate(0, 0, -30),
	}
}

// largeFile is a wheel of about size bytes that does not compress.
func largeFile(name, version string, size int) upstreamtest.File {
	f := wheelFile(name, version)
	f.Content = upstreamtest.WheelWith(name, version, []byte(noise(size)))
	return f
}

// withUser is a gateway's URL of a path with a user's name and password in it.
func withUser(base, user, password, path string) string {
	if password != "" {
		user += ":" + password
	}
	return strings.Replace(base, "http://", "http://"+user+"@", 1) + path
}

// fileURL is where the gateway serves an upstream's file.
func fileURL(up *upstreamtest.Server, name, filename string) string {
	return "/pypi/files/pypi" + up.Path(name, filename)
}
