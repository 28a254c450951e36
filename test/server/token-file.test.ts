import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { useLogger } from '../../src/host/diagnostics.js'
import { valueOrFile } from '../../src/options/value-file.js'
import { authenticatorOf } from '../../src/server/authenticator-of.js'

// A token, or another value, that an orchestrator mounts as a file, and replaces while the server runs.

const FIRST = 'canary-first-6d1c'
const SECOND = 'canary-second-0b9e'
/** The file is looked at once in a second. */
const LOOKED_AT_MS = 1050
const ROLES = { oidcRole: 'audit-reader', oidcRoleClaim: 'roles' }

let directory: string
let file: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'otel-audit-token-file-'))
  file = join(directory, 'token')
})

afterAll(() => rm(directory, { recursive: true }))

const by = (token: string): Request =>
  new Request('http://localhost/', { headers: { authorization: `Bearer ${token}` } })

/** A file system may keep times by the second, and a look is taken once in one. */
async function replaced(text: string, later: number): Promise<void> {
  await writeFile(file, text)
  const at = new Date(Date.now() + later * 1000)
  await utimes(file, at, at)
  await pause(LOOKED_AT_MS)
}

describe('apiTokenFile', () => {
  test('holds one token, less the line break at its end; a new one counts at once, and the former no more', async () => {
    const said: string[] = []
    useLogger({ error: (message) => void said.push(message), warn: () => {} })
    try {
      await writeFile(file, `${FIRST}\n`)
      const authenticator = await authenticatorOf({ ...ROLES, apiTokenFile: file })
      const reader = { actorId: 'internal-api-token', actorType: 'service' }
      expect(await authenticator?.authenticate(by(FIRST))).toEqual(reader)
      await expect(authenticator?.authenticate(by(SECOND))).rejects.toMatchObject({
        document: { status: 403 },
      })

      await replaced(`${SECOND}\r\n`, 10)
      expect(await authenticator?.authenticate(by(SECOND))).toEqual(reader)
      await expect(authenticator?.authenticate(by(FIRST))).rejects.toMatchObject({
        document: { status: 403 },
      })
      expect(said).toEqual([])

      // Half written, then gone: who was let in stays.
      await replaced('', 20)
      expect(await authenticator?.authenticate(by(SECOND))).toEqual(reader)
      await rm(file)
      await pause(LOOKED_AT_MS)
      expect(await authenticator?.authenticate(by(SECOND))).toEqual(reader)
      expect(said).toEqual([
        expect.stringMatching(/the token must be .*; the token that was read before stays valid$/),
        expect.stringMatching(/apiTokenFile .* cannot be read \(ENOENT\); the token/),
      ])
      expect(said.join()).not.toContain('canary')
    } finally {
      useLogger(undefined)
    }
  })

  test('is looked at when no token is given', async () => {
    await writeFile(file, SECOND)
    const authenticator = await authenticatorOf({ ...ROLES, apiToken: FIRST, apiTokenFile: file })
    await expect(authenticator?.authenticate(by(SECOND))).rejects.toMatchObject({ document: { status: 403 } })
  })

  test.each([
    ['that is not there', undefined, 'ENOENT'],
    ['that is empty', '\n', 'printable ASCII'],
    ['with two lines', `${FIRST}\n${SECOND}\n`, 'printable ASCII'],
    ['of more than a mebibyte', 'x'.repeat(1024 * 1024 + 1), 'larger than 1 MiB'],
  ])('%s is refused at start', async (_, text, why) => {
    await rm(file, { force: true })
    if (text !== undefined) await writeFile(file, text)
    const error: unknown = await authenticatorOf({ ...ROLES, apiTokenFile: file }).catch(
      (cause: unknown) => cause,
    )
    expect(error).toMatchObject({ code: 'AUDIT_INVALID_OPTION', message: expect.stringContaining(why) })
    expect(String(error)).not.toContain('canary')
  })
})

describe('the file of another value', () => {
  test('counts where the value is not given', async () => {
    await writeFile(file, `${FIRST}\n`)
    expect(await valueOrFile(undefined, 'cursorKeyFile', file)).toBe(FIRST)
    expect(await valueOrFile(SECOND, 'cursorKeyFile', file)).toBe(SECOND)
    expect(await valueOrFile(undefined, 'cursorKeyFile', undefined)).toBeUndefined()
  })

  test('is named when it cannot be used', async () => {
    await writeFile(file, '\n')
    const empty = valueOrFile(undefined, 'cursorKeyFile', file)
    await expect(empty).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTION', field: 'cursorKeyFile' })
    await rm(file)
    await expect(valueOrFile(undefined, 'cursorKeyFile', file)).rejects.toThrow('cannot be read (ENOENT)')
  })
})
