package contenttrust

// Words returns for how many words at once reading a text took memory.
func Words(name, text string) int {
	r := reader{file: name, text: text, style: styleOf(name), prose: -1}
	r.read()
	return cap(r.words)
}

// MaxWords is maxWords.
const MaxWords = maxWords
