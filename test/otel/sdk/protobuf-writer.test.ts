import { expect, it } from 'vitest'
import { ProtobufWriter } from '../../../src/otel/sdk/protobuf-writer.js'

const BYTES = 10
const MESSAGE = 18
const TEXT = 26

/** As protobuf has it, the simple way. */
function field(tag: number, content: Buffer): Buffer {
  const length: number[] = []
  for (let rest = content.length; ; rest >>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest)
    if (rest < 128) break
  }
  return Buffer.concat([Buffer.of(tag, ...length), content])
}

it.each(['€'.repeat(50), 'a'.repeat(150), 'é😀'.repeat(9), '\ud83d'])(
  'wherever the end of its buffer falls, what is written is whole: %j',
  (text) => {
    for (let filled = 65_536 - 500; filled < 65_536; filled++) {
      const writer = new ProtobufWriter()
      writer.bytes(BYTES, new Uint8Array(filled))
      const start = writer.open(MESSAGE)
      writer.text(TEXT, text)
      writer.close(start)
      const expected = Buffer.concat([
        field(BYTES, Buffer.alloc(filled)),
        field(MESSAGE, field(TEXT, Buffer.from(text))),
      ])
      if (Buffer.compare(writer.take(), expected) !== 0) expect.fail(`after ${filled} bytes`)
    }
  },
)

it('the same for the lengths of messages within messages', () => {
  const DEPTH = 30
  for (let filled = 65_536 - 300; filled < 65_536; filled++) {
    const writer = new ProtobufWriter()
    writer.bytes(BYTES, new Uint8Array(filled))
    const starts = Array.from({ length: DEPTH }, () => writer.open(MESSAGE))
    writer.bytes(BYTES, new Uint8Array(130).fill(1))
    for (const start of starts.toReversed()) writer.close(start)
    let nested = field(BYTES, Buffer.alloc(130, 1))
    for (let level = 0; level < DEPTH; level++) nested = field(MESSAGE, nested)
    const expected = Buffer.concat([field(BYTES, Buffer.alloc(filled)), nested])
    if (Buffer.compare(writer.take(), expected) !== 0) expect.fail(`after ${filled} bytes`)
  }
})
