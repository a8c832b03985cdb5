module local/{{name}}

go 1.24
