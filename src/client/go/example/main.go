package main

import (
	"context"
	"fmt"

	"entitled"
)

func main() {
	verdict, _ := entitled.Check(context.Background(), "acme-cad") // the error says why it is not known
	says := map[entitled.Answer]string{entitled.Yes: "entitled", entitled.No: "not entitled", entitled.NotKnown: "not known"}
	fmt.Println(says[verdict.Answer])
}
