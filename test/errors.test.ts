import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { AuditError, type AuditErrorCode, ERROR_CATALOGUE } from 'otel-audit'
import { describe, expect, it } from 'vitest'
import { errorsPage } from './support/reference-docs.js'

const CODES = Object.keys(ERROR_CATALOGUE) as AuditErrorCode[]
const EVENT = {
  auditId: 44_043_086_585_688_106n,
  credential: 'orders-db',
  operation: 'get_credential',
  outcome: 'ok',
}

describe('the catalogue of errors', () => {
  it('is closed, and says of each what is known about the row', () => {
    expect(Object.isFrozen(ERROR_CATALOGUE)).toBe(true)
    for (const code of CODES) {
      expect(code).toMatch(/^AUDIT_[A-Z_]+$/)
      expect(['stored', 'not-stored', 'unknown']).toContain(ERROR_CATALOGUE[code].row)
      for (const text of [ERROR_CATALOGUE[code].meaning, ERROR_CATALOGUE[code].remedy])
        expect(text).toMatch(/^[A-Z].*\.$/)
    }
  })

  it('has no code that nothing raises', () => {
    const source = sources(join(import.meta.dirname, '../src'))
      .filter((path) => !path.endsWith('errors.ts'))
      .map((path) => readFileSync(path, 'utf8'))
      .join('\n')
    expect(CODES.filter((code) => !source.includes(`'${code}'`))).toEqual([])
  })

  it('is docs/errors.md', async () => {
    await expect(errorsPage(ERROR_CATALOGUE)).toMatchFileSnapshot('../docs/errors.md')
  })
})

describe('an AuditError', () => {
  it.each(CODES)('%s carries what the catalogue says', (code) => {
    const error = new AuditError(code, 'it happened')
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({
      name: 'AuditError',
      code,
      row: ERROR_CATALOGUE[code].row,
      remedy: ERROR_CATALOGUE[code].remedy,
      message: `${code}: it happened`,
      reason: 'it happened',
    })
    expect('cause' in error).toBe(false)
  })

  it('names the event it concerns, and keeps its cause', () => {
    const cause = new Error('ECONNREFUSED')
    const error = new AuditError('AUDIT_UNAVAILABLE', 'the database is away', { event: EVENT, cause })
    expect(error.message).toBe(
      'AUDIT_UNAVAILABLE: the database is away (audit id 44043086585688106, operation get_credential, outcome ok, credential "orders-db")',
    )
    expect(error).toMatchObject({ ...EVENT, cause, reason: 'the database is away' })
  })

  it('never has notes or attributes, of whatever event it is given', () => {
    const event = {
      ...EVENT,
      notes: 'canary-90a1',
      attributesJson: '{"a":"canary-90a1"}',
      workerId: 'canary-90a1',
    }
    const error = new AuditError('AUDIT_REJECTED', 'refused', { event })
    expect(JSON.stringify(error) + String(error.stack)).not.toContain('canary-90a1')
    expect(Object.values(error).join()).not.toContain('canary-90a1')
  })

  it('is asked for its code and its reason: no source cuts them out of a message', () => {
    const cut = /\.message\s*\.(at|slice|sub\w+|replace\w*|indexOf|includes|startsWith|match\w*)\(/
    const byCode = /(AUDIT_[A-Z_]+|code\}): ['"`/]|code\.length/
    const guilty = sources(join(import.meta.dirname, '../src')).filter((path) => {
      const text = readFileSync(path, 'utf8')
      return cut.test(text) || byCode.test(text)
    })
    expect(guilty).toEqual([])
  })

  it('can be written as JSON, its id as a string', () => {
    const error = new AuditError('AUDIT_TIMEOUT', 'no answer', { event: EVENT, cause: new Error('x') })
    expect(JSON.parse(JSON.stringify({ error }))).toEqual({
      error: {
        name: 'AuditError',
        code: 'AUDIT_TIMEOUT',
        message: error.message,
        reason: 'no answer',
        row: 'unknown',
        remedy: ERROR_CATALOGUE.AUDIT_TIMEOUT.remedy,
        auditId: '44043086585688106',
        credential: 'orders-db',
        operation: 'get_credential',
        outcome: 'ok',
      },
    })
  })
})

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => join(folder, path))
}
