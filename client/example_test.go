package client_test

import (
	"context"
	"fmt"

	"github.com/breakwater-chat/breakwater/client"
)

// A bot that answers whoever greets it, and leaves after the first.
func Example() {
	url, stop := startServer() // yours is https://chat.example.org
	defer stop()

	account, err := client.SignUp(context.Background(), url, "Polly", "a good password")
	if err != nil {
		fmt.Println(err)
		return
	}
	bot, err := client.New(client.Config{URL: url, User: account.User(), Token: account.Token})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bot.Close()
	bot.Join(1)

	for event := range bot.Events() {
		switch e := event.(type) {
		case client.Joined:
			fmt.Println("joined room", e.Room)
		case client.Message:
			fmt.Printf("%s: %s\n", e.User, e.Text)
			if e.User == account.User() {
				return
			}
			// Post does not wait for the ack; Send does.
			if err := bot.Post(e.Room, "", "Hello, "+string(e.User), nil); err != nil {
				fmt.Println(err)
			}
		case client.Missing:
			fmt.Println("messages", e.From, "to", e.To, "could not be had")
		case client.State:
			if e.Phase == client.Ended {
				fmt.Println(e.Err)
			}
		}
	}
	// Output:
	// joined room 1
	// Ann: Anybody here?
	// Polly: Hello, Ann
}
