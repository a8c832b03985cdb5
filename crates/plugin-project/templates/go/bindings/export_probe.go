// Package export_probelet_plugin_probe gives the host the project's check.
package export_probelet_plugin_probe

import (
	"strings"

	plugin "local/{{name}}"
	"local/{{name}}/build/bindings/probelet_plugin_types"
	"local/{{name}}/build/bindings/wit/types"
)

// Check runs it.
func Check() witTypes.Result[probelet_plugin_types.Verdict, string] {
	verdict, err := plugin.Check()
	if err != nil {
		return witTypes.Err[probelet_plugin_types.Verdict, string](strings.ToValidUTF8(err.Error(), "\uFFFD"))
	}
	return witTypes.Ok[probelet_plugin_types.Verdict, string](verdict.Contract())
}
