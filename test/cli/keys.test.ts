import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NoteSigner, openNote, signNote } from 'otel-audit/chain'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseTrust } from '../../src/verify/trust.js'
import { otelAudit } from './otel-audit.js'

let directory: string

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'otel-audit-keys-'))
})

afterAll(() => rmSync(directory, { recursive: true }))

test('the private key goes to a file of its own, the line for auditors to standard output', async () => {
  const path = join(directory, 'enrolment.pem')
  const made = await otelAudit(['keys', 'create', '--origin', 'otel-audit/wallet', '--out', path])
  expect(made.code).toBe(0)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  const pem = readFileSync(path, 'utf8')
  const signer = new NoteSigner('otel-audit/wallet/enrolment', pem)
  expect(made.stdout).toBe(`enrolment ${signer.verifierKey}\n`)
  const [, start, begin] = made.stderr.split('\n')
  expect(start).toBe(
    `  NOETL_SECRET_AUDIT_ENROLMENT_KEY_FILE=${path} node --import otel-audit/register app.js`,
  )
  expect(begin).toBe(`  otel-audit trust init --out audit.trust --enrolment ${signer.verifierKey}`)
  const [key] = parseTrust(made.stdout).enrolment
  expect(openNote(signNote('t\n', signer), [String(key)]).verified).toEqual([signer.name])

  const again = await otelAudit(['keys', 'create', '--origin', 'otel-audit/wallet', '--out', path])
  expect([again.code, again.stderr]).toEqual([
    1,
    expect.stringContaining('(EEXIST): an existing file is never overwritten, use another name'),
  ])
  expect(readFileSync(path, 'utf8')).toBe(pem)
})

test('the private key goes to standard output, and nothing else does', async () => {
  const made = await otelAudit(['keys', 'create', '--out', '-'], { DATABASE_URL: 'postgres://u:p@h/my%20db' })
  expect(made.code).toBe(0)
  expect(made.stdout).toMatch(/^-----BEGIN PRIVATE KEY-----\n[^-]+\n-----END PRIVATE KEY-----\n$/)
  const signer = new NoteSigner('otel-audit/my%20db/enrolment', made.stdout)
  expect(made.stderr).toBe(`enrolment ${signer.verifierKey}\n`)
})

test('without a file, or a log, it makes nothing', async () => {
  expect(await otelAudit(['keys', 'create', '--origin', 'x'])).toMatchObject({ code: 2, stdout: '' })
  const nameless = await otelAudit(['keys', 'create', '--out', '-'])
  expect(nameless).toMatchObject({ code: 2, stdout: '' })
  expect(nameless.stderr).toContain('or DATABASE_URL')
})

test('says which characters a log cannot be called by, and where a key cannot go', async () => {
  const spaced = await otelAudit(['keys', 'create', '--out', '-', '--origin', 'my wallet'])
  expect(spaced).toMatchObject({ code: 2, stdout: '' })
  expect(spaced.stderr).toContain('spaces, plus signs or control characters; got "my wallet"')
  const lost = await otelAudit(['keys', 'create', '--out', join(directory, 'none', 'x.pem'), '--origin', 'x'])
  expect(lost).toMatchObject({ code: 1, stdout: '' })
  expect(lost.stderr).toContain('(ENOENT): name a file in an existing directory')
})
