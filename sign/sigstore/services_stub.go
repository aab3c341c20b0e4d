package sigstore

// Until client.go and config.go land.
type (
	// Client asks Sigstore services.
	Client struct{}
	// Services are those of one instance. The zero Services are none.
	Services struct{}
)
