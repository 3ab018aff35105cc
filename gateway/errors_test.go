package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/fairwayhq/fairway/blob"
	"github.com/fairwayhq/fairway/catalog"
)

// A caller is told what to do, and never what went wrong inside.
func TestDiskErrorsAreTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want int
	}{
		{blob.ErrFull, http.StatusInsufficientStorage},
		{catalog.ErrFull, http.StatusInsufficientStorage},
		{blob.ErrFailed, http.StatusServiceUnavailable},
		{catalog.ErrReadOnly, http.StatusServiceUnavailable},
		{catalog.ErrClosed, http.StatusServiceUnavailable},
		{catalog.ErrExhausted, http.StatusServiceUnavailable},
		{blob.ErrNotFound, http.StatusServiceUnavailable},
		{&os.PathError{Op: "open", Path: "/var/lib/secret", Err: syscall.EMFILE}, http.StatusServiceUnavailable},
		{&os.SyscallError{Syscall: "openat", Err: syscall.ENFILE}, http.StatusServiceUnavailable},
		{syscall.ENOMEM, http.StatusServiceUnavailable},
		{errors.New("open /var/lib/secret: no such file"), http.StatusInternalServerError},
	} {
		e, _ := AsError(fmt.Errorf("storing package: %w", tt.err))
		if e.Status != tt.want || errors.Is(e, tt.err) || strings.Contains(e.Message, "secret") {
			t.Errorf("%v: %d %s, want %d", tt.err, e.Status, e.Message, tt.want)
		}
	}
}
