import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { resolveOptions, resolveReadOptions } from '../../src/options/resolve.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'

// A URL, key or token may be in a variable, or in a file that a variable names. Which of them counts is never a matter of luck.

const directory = mkdtempSync(join(tmpdir(), 'otel-audit-value-and-file-'))
afterAll(() => rmSync(directory, { recursive: true }))

const GENERAL = 'postgres://general@h/d'
const OWN = 'postgres://own@h/d'

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, `${text}\n`)
  return path
}

async function databaseUrl(given: object, env: Record<string, string>): Promise<string | undefined> {
  const { databaseUrl: url } = resolveOptions(given, env)
  return typeof url === 'function' ? await url() : url
}

describe('the database', () => {
  const ownFile = file('own', OWN)
  const generalFile = file('general', GENERAL)

  test.each([
    [
      'our variable, over that of the application',
      { NOETL_SECRET_AUDIT_DATABASE_URL: OWN, DATABASE_URL: GENERAL },
    ],
    [
      'our file, over the variable of the application',
      { NOETL_SECRET_AUDIT_DATABASE_URL_FILE: ownFile, DATABASE_URL: GENERAL },
    ],
    [
      'our file, over the file of the application',
      { NOETL_SECRET_AUDIT_DATABASE_URL_FILE: ownFile, DATABASE_URL_FILE: generalFile },
    ],
    [
      'our variable, over the file of the application',
      { NOETL_SECRET_AUDIT_DATABASE_URL: OWN, DATABASE_URL_FILE: generalFile },
    ],
  ])('%s', async (_, env) => {
    expect(await databaseUrl({}, env)).toBe(OWN)
  })

  test('what is given in code, over all variables; a file that is given, too', async () => {
    const env = { NOETL_SECRET_AUDIT_DATABASE_URL: GENERAL, DATABASE_URL_FILE: generalFile }
    expect(await databaseUrl({ databaseUrl: OWN }, env)).toBe(OWN)
    expect(await databaseUrl({ databaseUrlFile: ownFile }, env)).toBe(OWN)
  })

  test.each([
    [
      { DATABASE_URL: GENERAL, DATABASE_URL_FILE: generalFile },
      'DATABASE_URL and DATABASE_URL_FILE are both set',
    ],
    [
      { NOETL_SECRET_AUDIT_DATABASE_URL: OWN, NOETL_SECRET_AUDIT_DATABASE_URL_FILE: ownFile },
      'NOETL_SECRET_AUDIT_DATABASE_URL and NOETL_SECRET_AUDIT_DATABASE_URL_FILE are both set',
    ],
  ])('both of a pair are refused: %o', (env, message) => {
    expect(() => resolveOptions({}, env)).toThrow(message)
    // An empty variable is one that is not set.
    const [first = ''] = Object.keys(env)
    expect(() => resolveOptions({}, { ...env, [first]: '' })).not.toThrow()
  })

  test('does not matter where a sink is given', () => {
    const env = { DATABASE_URL: GENERAL, DATABASE_URL_FILE: generalFile }
    expect(() => resolveOptions({ sink: new RecordingAuditSink() }, env)).not.toThrow()
  })
})

test.each([
  ['NOETL_SECRET_AUDIT_READER_URL', 'NOETL_SECRET_AUDIT_READER_URL_FILE', OWN],
  ['NOETL_INTERNAL_API_TOKEN', 'NOETL_INTERNAL_API_TOKEN_FILE', 'canary-2c6b'],
  ['NOETL_SECRET_AUDIT_CURSOR_KEY', 'NOETL_SECRET_AUDIT_CURSOR_KEY_FILE', 'canary-2c6b'],
])('%s and %s are refused together, without a word of what they hold', (variable, inFile, value) => {
  const env = { [variable]: value, [inFile]: file('any', value) }
  expect(() => resolveReadOptions({}, env)).toThrow(
    `${variable} and ${inFile} are both set: unset one of them`,
  )
})

test('an enrolment key and its file are refused together', () => {
  const env = { NOETL_SECRET_AUDIT_ENROLMENT_KEY: 'canary-2c6b', NOETL_SECRET_AUDIT_ENROLMENT_KEY_FILE: 'x' }
  expect(() => resolveOptions({}, env)).toThrow('are both set')
})
