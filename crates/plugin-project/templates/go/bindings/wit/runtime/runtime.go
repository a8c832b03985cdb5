// Package witRuntime is what the generated bindings need at run time.
package witRuntime

import (
	"runtime"
	"unsafe"
)

// Handle stands for something that the host keeps.
type Handle struct {
	value int32
}

// MakeHandle keeps a handle's number.
func MakeHandle(value int32) *Handle {
	return &Handle{value}
}

// Use returns the number; it panics if the handle was given away.
func (handle *Handle) Use() int32 {
	if handle.value == 0 {
		panic("this handle was dropped or given away")
	}
	return handle.value
}

// Take returns the number and gives the handle away.
func (handle *Handle) Take() int32 {
	value := handle.Use()
	handle.value = 0
	return value
}

// TakeOrNil returns the number, or 0 if the handle was given away.
func (handle *Handle) TakeOrNil() int32 {
	value := handle.value
	handle.value = 0
	return value
}

// Set makes it a handle again.
func (handle *Handle) Set(value int32) {
	handle.value = value
}

// Allocate returns memory that does not move and stays until the pinner lets go.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	// 8 is the largest alignment there is.
	pointer := unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	pinner.Pin(pointer)
	return pointer
}

// Unpin has nothing to do: what the host has passed is not collected.
func Unpin() {}

// What the host passes is put here, where the collector has nothing to do: it must not run while the host passes
// something, since it looks at the clock, and nothing of the host may be called then. Nothing is given back; a run is a
// fresh instance, and all of it goes at its end. A run that is passed more than this ends.
var (
	arena [8 << 20]byte
	used  uintptr
)

//go:wasmexport cabi_realloc
func reallocate(_ unsafe.Pointer, _, align, size uintptr) unsafe.Pointer {
	used = (used + align - 1) &^ (align - 1)
	if size > uintptr(len(arena))-used {
		panic("a run can take 8 MiB from the host")
	}
	result := unsafe.Add(unsafe.Pointer(&arena), used)
	used += size
	return result
}
