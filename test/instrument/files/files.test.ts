import fs from 'node:fs'
import { open as openPromised, readFile as readPromised } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ownWork } from '../../../src/instrument/claim.js'
import { waitUntil } from '../../support/wait-until.js'
import { SecretPaths } from '../../../src/instrument/files/secret-paths.js'
import { watchFiles } from '../../../src/instrument/files/watch-files.js'
import { said, watched } from '../watched.js'
import { CANARY, type Mount, mount, watchedFiles } from './mount.js'

const byCallback = (path: fs.PathLike, read: typeof fs.readFile = fs.readFile): Promise<string> =>
  new Promise((resolve, reject) => {
    read(path, 'utf8', (error, value) => (error ? reject(error) : resolve(value)))
  })

const byStream = async (path: string): Promise<string> => {
  let text = ''
  for await (const chunk of fs.createReadStream(path, 'utf8')) text += String(chunk)
  return text
}

const byHandle = async (path: string): Promise<string> => {
  const handle = await openPromised(path)
  try {
    return await handle.readFile('utf8')
  } finally {
    await handle.close()
  }
}

const byDescriptor = async (path: string): Promise<string> => {
  const descriptor = await promisify(fs.open)(path, 'r')
  try {
    return fs.readFileSync(descriptor, 'utf8')
  } finally {
    fs.closeSync(descriptor)
  }
}

const HELD: readonly (readonly [string, string, (path: string) => Promise<string>])[] = [
  ['fs.readFile', 'readFile', (path) => byCallback(path)],
  ['promisify(fs.readFile)', 'readFile', (path) => promisify(fs.readFile)(path, 'utf8')],
  ['fs.open', 'open', byDescriptor],
  ['fs.createReadStream', 'open', byStream],
  ['fs.promises.readFile', 'promises.readFile', (path) => fs.promises.readFile(path, 'utf8')],
  ['readFile of node:fs/promises, by name', 'promises.readFile', (path) => readPromised(path, 'utf8')],
  ['open of node:fs/promises', 'promises.open', byHandle],
]

describe.each(HELD)('%s', (_, api, read) => {
  it('is one row, and is held until that is committed', async () => {
    const at = mount()
    const files = watchedFiles(at, { strict: true })
    const written = files.hold()
    let value: string | undefined
    const reading = read(at.secret).then((text) => (value = text))
    await written
    expect(value).toBeUndefined()
    files.letGo()
    expect(await reading).toBe(CANARY)
    const rows = await files.rows()
    expect(rows.map(said)).toEqual([
      {
        credential: at.credential('db'),
        operation: 'get_credential',
        outcome: 'ok',
        provider: 'file',
        source: 'file',
        seen: 'client',
        api,
      },
    ])
  })

  it('strict, and the store is down: AuditError in place of the secret, and nothing stays open', async () => {
    const at = mount()
    const files = watchedFiles(at, { strict: true, deadlineMs: 50 })
    files.isDown = true
    const error: unknown = await read(at.secret).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ name: 'AuditError' })
    expect(String(error)).not.toContain('hunter2')
    await waitUntil('what was opened is closed', () => !opened().includes('otel-audit-files-'))
  })

  it('through a link from elsewhere it is the secret that it leads to', async () => {
    const at = mount()
    const files = watchedFiles(at)
    const link = join(at.outside, 'password')
    fs.symlinkSync(at.secret, link)
    expect(await read(link)).toBe(CANARY)
    expect(await files.rows()).toMatchObject([{ credential: at.credential('db'), outcome: 'ok' }])
  })

  it('another file has no row', async () => {
    const at = mount()
    const files = watchedFiles(at, { strict: true })
    files.isDown = true
    expect(await read(join(at.outside, 'plain'))).toBe('plain')
    files.isDown = false
    expect(await files.rows()).toEqual([])
  })

  it('one that is not there stays that error, and is a row', async () => {
    const at = mount()
    const files = watchedFiles(at, { strict: true })
    await expect(read(join(at.secrets, 'gone'))).rejects.toMatchObject({ code: 'ENOENT', syscall: 'open' })
    expect((await files.rows()).map(said)).toMatchObject([
      { credential: at.credential('gone'), outcome: 'credential_not_found', 'error.type': 'ENOENT' },
    ])
  })
})

/** What this process has open; of Linux. */
function opened(): string {
  if (process.platform !== 'linux') return ''
  return fs
    .readdirSync('/proc/self/fd')
    .map((name) => {
      try {
        return fs.readlinkSync(`/proc/self/fd/${name}`)
      } catch {
        return ''
      }
    })
    .join('\n')
}

const AT_ONCE: readonly (readonly [string, string, (path: string) => string])[] = [
  ['readFileSync of text', 'readFileSync', (path) => fs.readFileSync(path, 'utf8')],
  ['readFileSync of bytes', 'readFileSync', (path) => fs.readFileSync(path).toString()],
  [
    'openSync',
    'openSync',
    (path) => {
      const descriptor = fs.openSync(path, 'r')
      const text = fs.readFileSync(descriptor, 'utf8')
      fs.closeSync(descriptor)
      return text
    },
  ],
]

describe.each(AT_ONCE)('%s', (_, api, read) => {
  it('is one row, async also where records are strict, and observed', async () => {
    const at = mount()
    const files = watchedFiles(at, { strict: true })
    expect(read(at.secret)).toBe(CANARY)
    expect((await files.rows()).map(said)).toMatchObject([
      { credential: at.credential('db'), outcome: 'ok', api, seen: 'observed' },
    ])
    expect(files.watch.coverage.entries()).toContainEqual(
      expect.objectContaining({ name: 'node:fs sync', state: 'observed' }),
    )
  })

  it('through a link it is one row, too; another file has none; one that is not there stays that error', async () => {
    const at = mount()
    const files = watchedFiles(at)
    const link = join(at.outside, 'password')
    fs.symlinkSync(at.secret, link)
    expect(read(link)).toBe(CANARY)
    expect(read(join(at.outside, 'plain'))).toBe('plain')
    expect(() => read(join(at.secrets, 'gone'))).toThrow(expect.objectContaining({ code: 'ENOENT' }))
    expect(await files.rows()).toMatchObject([
      { credential: at.credential('db'), outcome: 'ok' },
      { credential: at.credential('gone'), outcome: 'credential_not_found' },
    ])
  })

  it('is refused where all has to be held back, but to the pipeline itself', async () => {
    const at = mount()
    const files = watchedFiles(at, {}, { instrument: 'required' })
    expect(() => read(at.secret)).toThrow(expect.objectContaining({ code: 'AUDIT_NOT_COVERED' }))
    expect(ownWork(() => read(at.secret))).toBe(CANARY)
    expect((await files.rows()).map(said)).toMatchObject([
      { outcome: 'aborted' },
      { outcome: 'ok', own: true },
    ])
  })
})

describe('what is an access', () => {
  const credentials = async (at: Mount, work: (path: string) => unknown): Promise<readonly string[]> => {
    const files = watchedFiles(at)
    await work(at.secret)
    return (await files.rows()).map(({ credential }) => credential)
  }

  it('a path in any form', async () => {
    const at = mount()
    const relative = join(at.secrets, '..', 'secrets', '.', 'db')
    const forms = [
      Buffer.from(at.secret),
      pathToFileURL(at.secret),
      relative,
      join(at.secrets, '..data', 'db'),
    ]
    const found = await credentials(at, async () => {
      for (const form of forms) await readPromised(form)
    })
    expect(found).toEqual(forms.map(() => at.credential('db')))
  })

  it('not what is opened to be written, nor a descriptor, nor a handle', async () => {
    const at = mount()
    const path = join(at.secrets, 'new')
    const found = await credentials(at, async () => {
      for (const flags of ['w', 'w+', 'a', fs.constants.O_WRONLY | fs.constants.O_CREAT]) {
        fs.closeSync(fs.openSync(path, flags))
        await (await openPromised(path, flags)).close()
        fs.rmSync(path)
      }
      await fs.promises.writeFile(path, 'new')
    })
    expect(found).toEqual([])
  })

  it('what is opened to be read and added to', async () => {
    const at = mount()
    const found = await credentials(at, async (path) => {
      await (await openPromised(path, 'a+')).close()
      fs.closeSync(fs.openSync(path, 'r+'))
      fs.closeSync(fs.openSync(path, fs.constants.O_RDWR))
    })
    expect(found).toHaveLength(3)
  })
})

describe('the application', () => {
  it('gets what a wrong argument throws at once, and sees the functions that it knows', () => {
    const at = mount()
    watchedFiles(at)
    expect(() => fs.readFile(at.secret, { encoding: 'none' as never }, () => undefined)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }),
    )
    expect(() => fs.readFile(at.secret, undefined as never)).toThrow(TypeError)
    expect(fs.readFile).toHaveLength(3)
    expect(fs.readFile.name).toBe('readFile')
  })

  it('gets the functions back when it ends', () => {
    const real = fs.readFile
    const { watch } = watched({}, { files: new SecretPaths(['/run/secrets']) })
    const end = watchFiles(watch)
    expect(fs.readFile).not.toBe(real)
    end()
    expect(fs.readFile).toBe(real)
  })

  it('an abort ends the wait for the row', async () => {
    const at = mount()
    const files = watchedFiles(at, { strict: true })
    const written = files.hold()
    const abort = new AbortController()
    const reading = readPromised(at.secret, { signal: abort.signal })
    await written
    abort.abort()
    await expect(reading).rejects.toBeInstanceOf(Error)
    files.letGo()
    expect(await files.rows()).toHaveLength(1)
  })

  it('a guard around a file is one row, the guard’s', async () => {
    const at = mount()
    const files = watchedFiles(at, { strict: true })
    const fields = { credential: 'orders', operation: 'resolve_keychain' } as const
    await files.service.guard(fields, () => readPromised(at.secret, 'utf8'))
    const rows = await files.rows()
    expect(rows.map(said)).toMatchObject([{ credential: 'orders', accessed: at.credential('db') }])
    expect(JSON.stringify(rows.map(said))).not.toContain('hunter2')
  })
})
