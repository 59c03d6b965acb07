package main

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"cuelang.org/go/cue"
)

// accepted writes a system that the schema has taken out as JSON, with the places where the file states it.
func accepted(file string, system, stated cue.Value) Answer {
	var text strings.Builder
	if err := encode(&text, system); err != nil {
		return Answer{Errors: problems(file, err)}
	}
	positions := map[string]string{}
	locate(file, stated, nil, positions)
	return Answer{Value: json.RawMessage(text.String()), Positions: positions}
}

// encode writes a value, with defaults, in the order of the schema. Bytes stay distinguishable from text.
func encode(text *strings.Builder, value cue.Value) error {
	value, _ = value.Default()
	switch value.Kind() {
	case cue.StructKind:
		return encodeStruct(text, value)
	case cue.ListKind:
		return encodeList(text, value)
	case cue.BytesKind:
		data, err := value.Bytes()
		if err != nil {
			return err
		}
		if utf8.Valid(data) {
			return encodeLeaf(text, string(data))
		}
		return encodeLeaf(text, map[string]string{"$bytes": hex.EncodeToString(data)})
	}
	data, err := value.MarshalJSON()
	text.Write(data)
	return err
}

func encodeStruct(text *strings.Builder, value cue.Value) error {
	iterator, err := value.Fields()
	if err != nil {
		return err
	}
	text.WriteByte('{')
	for first := true; iterator.Next(); first = false {
		if !first {
			text.WriteByte(',')
		}
		if err := encodeLeaf(text, iterator.Selector().Unquoted()); err != nil {
			return err
		}
		text.WriteByte(':')
		if err := encode(text, iterator.Value()); err != nil {
			return err
		}
	}
	text.WriteByte('}')
	return nil
}

func encodeList(text *strings.Builder, value cue.Value) error {
	iterator, err := value.List()
	if err != nil {
		return err
	}
	text.WriteByte('[')
	for first := true; iterator.Next(); first = false {
		if !first {
			text.WriteByte(',')
		}
		if err := encode(text, iterator.Value()); err != nil {
			return err
		}
	}
	text.WriteByte(']')
	return nil
}

func encodeLeaf(text *strings.Builder, leaf any) error {
	data, err := json.Marshal(leaf)
	text.Write(data)
	return err
}

// locate notes where the file states each value.
func locate(file string, value cue.Value, at path, positions map[string]string) {
	if position := placeOf(file, value); position.IsValid() {
		positions[pathText(selectorTexts(at))] = position.Position().String()
	}
	switch value.IncompleteKind() {
	case cue.StructKind:
		if iterator, err := value.Fields(); err == nil {
			for iterator.Next() {
				locate(file, iterator.Value(), append(at[:len(at):len(at)], iterator.Selector()), positions)
			}
		}
	case cue.ListKind:
		if iterator, err := value.List(); err == nil {
			for index := 0; iterator.Next(); index++ {
				locate(file, iterator.Value(), append(at[:len(at):len(at)], cue.Index(index)), positions)
			}
		}
	}
}
