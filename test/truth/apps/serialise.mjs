/**
 * What a process makes of events: everything that is hashed, sent, spooled or traced, a line each, after its globals were
 * changed. `node serialise.mjs <change, or none> <before|after> <file with what callers say, as JSON>`.
 */
/* oxlint-disable eslint/no-extend-native -- that is what is tried here */
import crypto from 'node:crypto'
import { readFileSync, writeSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const [change, when, file] = process.argv.slice(2)
const say = (what, text) => writeSync(1, `${what} ${Buffer.from(text, 'utf16le').toString('base64')}\n`)
/** Ed25519 signs a text in one way: the same bytes from every process. */
const KEY = `-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEI${'A'.repeat(43)}\n-----END PRIVATE KEY-----\n`
const records = JSON.parse(readFileSync(file, 'utf8'))

const plain = { stringify: JSON.stringify, parse: JSON.parse }
const toJSON = (prototype) =>
  Object.defineProperty(prototype, 'toJSON', { value: () => 'changed', configurable: true, writable: true })
const filtered = (key, value) => (/credential|notes|secret/i.test(key) ? '[Filtered]' : value)
const changes = {
  none() {},
  'a filter in JSON.stringify'() {
    JSON.stringify = (value, _, space) => plain.stringify(value, filtered, space)
  },
  'a JSON.stringify that sorts and upper-cases'() {
    JSON.stringify = (value) =>
      typeof value === 'string'
        ? plain.stringify(value.toUpperCase())
        : plain.stringify(value, Object.keys(value ?? {}).sort())
  },
  'a JSON.stringify that throws'() {
    JSON.stringify = () => {
      throw new Error('not allowed')
    }
  },
  'a reviver in JSON.parse'() {
    JSON.parse = (text) => plain.parse(text, filtered)
  },
  'no JSON at all'() {
    delete globalThis.JSON
  },
  'toJSON on String.prototype': () => toJSON(String.prototype),
  'toJSON on Array.prototype': () => toJSON(Array.prototype),
  'toJSON on Object.prototype': () => toJSON(Object.prototype),
  'toJSON on BigInt and Number': () => [BigInt, Number, Boolean].forEach((type) => toJSON(type.prototype)),
  'toString of numbers and bigints'() {
    for (const { prototype } of [BigInt, Number]) prototype.toString = () => '7'
  },
  'an enumerable method on Object.prototype'() {
    Object.prototype.deepClone = function () {
      return structuredClone(this)
    }
  },
  'names of fields on Object.prototype'() {
    const names = ['notes', 'workerId', 'attributes', 'originalAuditId', 'spanId', 'sanitized.notes']
    for (const name of [...names, 'occurredAt', 'secret_audit.notes', 'secret_audit.worker_id'])
      Object.prototype[name] = 'changed'
  },
  'methods on the prototypes of arrays, functions and texts'() {
    for (const { prototype } of [Array, Function, String]) {
      prototype.remove = () => 'changed'
      Object.defineProperty(prototype, 'last', { get: () => 'changed', enumerable: true, configurable: true })
    }
  },
  'another Date'() {
    globalThis.Date = class extends Date {
      constructor() {
        super(0)
      }
      getTime() {
        return 7
      }
      toISOString() {
        return 'changed'
      }
    }
  },
  'later, another hash and another signature'() {
    Object.assign(crypto, {
      hash: () => 'x'.repeat(32),
      createHash: () => ({ update: () => this, digest: () => Buffer.alloc(32) }),
      sign: () => Buffer.alloc(64),
      verify: () => true,
      createPrivateKey: () => ({ type: 'private', asymmetricKeyType: 'ed25519' }),
    })
    syncBuiltinESMExports()
  },
  'getters of fields on Object.prototype'() {
    for (const name of ['kekVersion', 'actorType', 'serviceName', 'traceId'])
      Object.defineProperty(Object.prototype, name, { get: () => 'changed', configurable: true })
  },
}

if (when === 'before') changes[change]()
const { buildEvent, completeEvent, draftEvent, rekeyEvent } = await import(
  '../../../build/src/event/event.js'
)
const { encodeEvent, eventDigest } = await import('../../../build/src/event/digest.js')
const { decodeEvent } = await import('../../../build/src/event/decode.js')
const { rowsArray } = await import('../../../build/src/postgres/write/record-bytes.js')
const { fromSpanEvent, spanEventTime, toSpanEvent } = await import('../../../build/src/otel/span-event.js')
const { bodyText } = await import('../../../build/src/chain/block.js')
const { NoteSigner } = await import('../../../build/src/chain/note-key.js')
if (when === 'after') changes[change]()

const entries = records.map(({ fields, identity }, i) => {
  const wide = { ...identity, auditId: BigInt(identity.auditId) }
  const said = { ...fields, ...(i % 2 === 0 && { executionId: BigInt(i) << 40n, parentExecutionId: i }) }
  const built = buildEvent(said, wide)
  const event = i % 3 === 0 ? rekeyEvent(built) : built
  return { event, digest: eventDigest(event), said, wide }
})
for (const { event } of entries) {
  say('digest', encodeEvent(event).toString('latin1'))
  const decoded = decodeEvent(encodeEvent(event))
  for (const name of Object.keys(decoded)) say('decoded', `${name} ${String(decoded[name])}`)
  const attributes = toSpanEvent(event, undefined)
  for (const name of Object.keys(attributes)) say('span', `${name} ${String(attributes[name])}`)
  say('span', `time ${String(spanEventTime(event))}`)
  const back = fromSpanEvent(attributes)
  const again = completeEvent(draftEvent(back.fields, back.markers), {
    auditId: back.auditId,
    occurredAt: back.occurredAt ?? event.occurredAt,
  })
  say('from the span', encodeEvent(again).toString('latin1'))
  const service = event.serviceName ?? ''
  say(
    'block',
    bodyText({
      writer: 'w',
      opening: { service, instance: service, version: '1', trail: 'f', system: '7', continues: undefined },
    }),
  )
}
const signer = new NoteSigner('otel-audit/serialise/enrolment', KEY)
const signature = signer.sign(Buffer.from('a text'))
say('key', signer.verifierKey)
say('signature', signature.toString('hex'))
say('its signature', String(signer.key.verifies(Buffer.from('a text'), signature)))
say('another signature', String(signer.key.verifies(Buffer.from('another text'), signature)))
say('rows', rowsArray({ chainId: '0'.repeat(32), blockNo: 1n }, entries).toString('latin1'))
say('end', '')
