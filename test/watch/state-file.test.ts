import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { generateNoteKey } from '../../src/chain/note-key.js'
import { verifierKeyName } from '../../src/verify/state/verifier-key.js'
import type { VerifyState } from '../../src/verify/state/verify-state.js'
import { StateFile } from '../../src/watch/state-file.js'

const LOG = 'otel-audit/wallet'
const KEY = generateNoteKey(verifierKeyName(LOG))
const OTHER = generateNoteKey(verifierKeyName(LOG))

let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'state-file-'))
  path = join(directory, 'verify.state')
  return () => rmSync(directory, { recursive: true })
})

const STATE: VerifyState = {
  log: LOG,
  trail: '5f0c2a9e7b1d4c8083e6f1a2b3c4d5e6',
  sequence: 1,
  before: undefined,
  time: 1,
  trust: '00',
  chains: new Map(),
  open: { chains: new Set(['a']), ids: [{ first: -1n, last: 2n ** 62n }], all: false },
  lowest: 1n,
  highest: undefined,
  retention: [{ auditId: 5n, note: 'a\nb' }],
  anchors: [
    { log: LOG, chain: 'a', block: 1, hash: Buffer.alloc(32, 7) },
    { log: undefined, chain: 'a', block: 1, hash: null, row: { index: 1, auditId: 5n } },
    { log: undefined, chain: 'a', block: 2, hash: undefined, row: { index: null, auditId: null } },
  ],
  cycle: {
    startedAt: 3,
    ids: { first: 1n, last: 2n },
    chainsTo: { chain: 'a', point: undefined },
    idsFrom: 9n,
    blocks: [[-3, { count: -1, sum: 2n ** 255n }]],
    unsigned: [[7, { count: 1, sum: 5n }]],
  },
}

test('what was written is read, and readable by its owner only', async () => {
  const file = new StateFile(path, KEY.signer, [KEY.signer.key])
  expect(await file.read()).toBeUndefined()
  const sha256 = await file.write(STATE)
  await file.settled()
  expect(await file.read()).toEqual({ state: STATE, sha256, isOfOtherKey: false })
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readdirSync(directory)).toEqual(['verify.state'])
})

test('a state of another key of the verifier is known as that', async () => {
  await new StateFile(path, OTHER.signer, [OTHER.signer.key]).write(STATE)
  const both = new StateFile(path, KEY.signer, [KEY.signer.key, OTHER.signer.key])
  expect((await both.read())?.isOfOtherKey).toBe(true)
  const one = new StateFile(path, KEY.signer, [KEY.signer.key])
  await expect(one.read()).rejects.toMatchObject({ code: 'AUDIT_VERIFY_STATE' })
})

test.each<[string, (text: string) => string]>([
  ['cut in its content', (text) => text.slice(0, -20)],
  ['cut in its note', (text) => text.slice(0, 80)],
  ['empty', () => ''],
  ['something else', () => 'hello\n\nhello\n\n{}\n'],
  ['with another number', (text) => text.replace('sequence 1', 'sequence 9')],
  ['with a line more', (text) => text.replace('sequence 1', 'sequence 1\nx y')],
  ['of a log that is none', (text) => text.replace('log otel-audit/wallet', 'log a+b')],
  ['with another content', (text) => text.replace('"lowest":"1"', '"lowest":"2"')],
  ['without a signature', (text) => text.replace(/\n— [^\n]*\n/, '\n\n')],
  ['of another format', (text) => text.replace('verify-state/v1', 'verify-state/v2')],
])('a file that is %s is refused', async (_, change) => {
  const file = new StateFile(path, KEY.signer, [KEY.signer.key])
  await file.write(STATE)
  writeFileSync(path, change(readFileSync(path, 'utf8')))
  await expect(file.read()).rejects.toMatchObject({ code: 'AUDIT_VERIFY_STATE' })
})

test('a file that cannot be read or written is said, and the one before stays', async () => {
  const file = new StateFile(path, KEY.signer, [KEY.signer.key])
  mkdirSync(path)
  await expect(file.read()).rejects.toMatchObject({ code: 'AUDIT_VERIFY_STATE' })
  await expect(file.write(STATE)).rejects.toMatchObject({ code: 'AUDIT_VERIFY_STATE' })
  expect(readdirSync(directory)).toEqual(['verify.state'])
  chmodSync(path, 0o700)
})
