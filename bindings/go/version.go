// SPDX-License-Identifier: MIT

package evpoll

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
)

// Version is the version of the library, "1.0.0".
func Version() string { return capi.Version_string() }

// The library is part of the program, unless it was built with the tag evpoll_system. Another major
// version than the header's has other structs, so nothing may be called in it.
func versionError(version int64, path string) error {
	const wanted = int64(capi.EVPOLL_VERSION_MAJOR)
	if version>>16 == wanted {
		return nil
	}
	if path == "" {
		path = "the library in this program"
	}
	why := fmt.Errorf("%s is version %d.%d.%d, and %d.x is needed",
		path, version>>16, version>>8&255, version&255, wanted)
	return &Error{Op: "open", Status: ErrVersion, cause: why}
}

func loadedFrom() string {
	text := make([]byte, 4096)
	capi.Go_path(unsafe.Pointer(&text[0]), int64(len(text)))
	return cut(text)
}

func once(ask func() error) func() error {
	var did sync.Once
	var err error
	return func() error {
		did.Do(func() { err = ask() })
		return err
	}
}
