// Package witTypes has the types of the component model that Go has not.
package witTypes

// Unit is nothing.
type Unit struct{}

// The tags of Option and Result.
const (
	OptionNone uint8 = 0
	OptionSome uint8 = 1
	ResultOk   uint8 = 0
	ResultErr  uint8 = 1
)

// Option is a value or none.
type Option[T any] struct {
	tag   uint8
	value T
}

// Some is an option with a value.
func Some[T any](value T) Option[T] { return Option[T]{OptionSome, value} }

// None is an option without one.
func None[T any]() Option[T] { return Option[T]{} }

// Tag tells which it is.
func (option Option[T]) Tag() uint8 { return option.tag }

// IsSome tells whether there is a value.
func (option Option[T]) IsSome() bool { return option.tag == OptionSome }

// IsNone tells whether there is none.
func (option Option[T]) IsNone() bool { return option.tag == OptionNone }

// Some returns the value; it panics if there is none.
func (option Option[T]) Some() T {
	if option.tag != OptionSome {
		panic("there is no value")
	}
	return option.value
}

// SomeOr returns the value, or another one if there is none.
func (option Option[T]) SomeOr(otherwise T) T {
	if option.tag != OptionSome {
		return otherwise
	}
	return option.value
}

// Result is a value or an error.
type Result[T, E any] struct {
	tag   uint8
	ok    T
	error E
}

// Ok is a result with a value.
func Ok[T, E any](value T) Result[T, E] { return Result[T, E]{tag: ResultOk, ok: value} }

// Err is a result with an error.
func Err[T, E any](value E) Result[T, E] { return Result[T, E]{tag: ResultErr, error: value} }

// Tag tells which it is.
func (result Result[T, E]) Tag() uint8 { return result.tag }

// IsOk tells whether it is a value.
func (result Result[T, E]) IsOk() bool { return result.tag == ResultOk }

// IsErr tells whether it is an error.
func (result Result[T, E]) IsErr() bool { return result.tag == ResultErr }

// Ok returns the value; it panics if it is an error.
func (result Result[T, E]) Ok() T {
	if result.tag != ResultOk {
		panic("it is an error")
	}
	return result.ok
}

// Err returns the error; it panics if it is a value.
func (result Result[T, E]) Err() E {
	if result.tag != ResultErr {
		panic("it is no error")
	}
	return result.error
}

// Tuple2 is two values.
type Tuple2[A, B any] struct {
	F0 A
	F1 B
}

// Tuple3 is three values.
type Tuple3[A, B, C any] struct {
	F0 A
	F1 B
	F2 C
}

// Tuple4 is four values.
type Tuple4[A, B, C, D any] struct {
	F0 A
	F1 B
	F2 C
	F3 D
}

// Tuple8 is eight values.
type Tuple8[A, B, C, D, E, F, G, H any] struct {
	F0 A
	F1 B
	F2 C
	F3 D
	F4 E
	F5 F
	F6 G
	F7 H
}
