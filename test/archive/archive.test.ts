import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { archivePlan } from '../../src/archive/archive.js'
import { DirectoryStore } from '../../src/archive/directory-store.js'
import type { ArchiveManifest } from '../../src/archive/manifest.js'
import { rowOfLine } from '../../src/archive/row-line.js'
import { eventDigest } from '../../src/event/digest.js'
import type { PinnedBlock } from '../../src/verify/trust.js'
import { connect } from '../support/database.js'
import { verifiedTrail } from '../support/verified.js'
import { readTrail } from '../support/trail.js'
import { unguard } from '../cli/honest-trail.js'
import { OldTrail } from './old-trail.js'

let trail: OldTrail

beforeEach(async () => {
  trail = await OldTrail.create(4)
  await trail.fill()
})

afterEach(() => trail.drop())

const folders = (): string[] => readdirSync(trail.directory).toSorted()
const manifestOf = (folder: string): ArchiveManifest =>
  JSON.parse(readFileSync(join(trail.directory, folder, 'manifest.json'), 'utf8')) as ArchiveManifest
const linesOf = (folder: string, file: string): string[] =>
  gunzipSync(readFileSync(join(trail.directory, folder, file)))
    .toString()
    .split('\n')
    .slice(0, -1)

/** A store that fails at the n-th call of one of its methods, as a process does that is killed there. */
class FailingStore extends DirectoryStore {
  left: number
  readonly #method: 'create' | 'readAt'

  constructor(place: string, method: 'create' | 'readAt', left: number) {
    super(place)
    this.#method = method
    this.left = left
  }

  override create(file: string): ReturnType<DirectoryStore['create']> {
    if (this.#method === 'create' && this.left-- <= 0) throw new Error('killed')
    return super.create(file)
  }

  override readAt(...args: [string, number, number]): Promise<Buffer> {
    if (this.#method === 'readAt' && this.left-- <= 0) throw new Error('killed')
    return super.readAt(...args)
  }
}

describe('archiving', () => {
  test('puts every row below the bound into files, exactly as it is hashed, and proves it from the files alone', async () => {
    const { archived, findings } = await trail.archive(3)
    expect([archived.map(({ rows }) => rows), findings]).toEqual([[7, 7, 7], 0])
    const { found, report } = await trail.verifyFiles()
    expect(found).toEqual([])
    expect(report?.rows).toMatchObject({ proven: 20, unsigned: 1, partly: 0 })
    const rows = folders().flatMap((folder) => linesOf(folder, 'rows-000001.ndjson.gz').map(rowOfLine))
    const live = (await readTrail(trail.owner)).filter(({ event }) => event.auditId < trail.bound(3))
    expect(rows.map(({ event }) => event)).toEqual(live.map(({ event }) => event))
    expect(rows.map(({ stored }) => stored && Buffer.from(stored))).toEqual(live.map(({ digest }) => digest))
    for (const { event, computed } of rows) expect(computed).toEqual(eventDigest(event))
  })

  test('keeps what is left of rows in blocks that reach over a bound, and whole blocks are proven by it', async () => {
    await trail.archive(2)
    const { rows } = await trail.owner.query<{ partition: string; leaves: string }>(
      'select partition, count(*) as leaves from noetl.secret_audit_leaf group by 1 order by 1',
    )
    // Two rows before the end of each month; in the second month also the one that began in the first.
    expect(rows.map(({ leaves }) => leaves)).toEqual(['2', '3'])
    const last = folders().at(-1) ?? ''
    expect(linesOf(last, 'leaves.ndjson.gz')).toHaveLength(6)
    const { report } = await trail.verifyFiles()
    expect(report?.rows).toMatchObject({ proven: 13, partly: 0 })
  })

  test('goes on where it stopped: what is archived is left alone, and blocks are archived once', async () => {
    await trail.archive(1)
    const { archived, already } = await trail.archive(3)
    expect([archived.length, already]).toEqual([2, 1])
    expect((await trail.archive(3)).archived).toEqual([])
    const manifests = folders().map(manifestOf)
    expect(manifests.map(({ sequence }) => sequence)).toEqual([1, 2, 3])
    expect(manifests[0]?.previous).toBeNull()
    const blocks = folders().flatMap((folder) => linesOf(folder, 'blocks.ndjson.gz'))
    expect(new Set(blocks).size).toBe(blocks.length)
    expect((await trail.verifyFiles()).found).toEqual([])
  })

  test.each([
    ['create', [0, 3, 5, 6, 7, 9]],
    ['readAt', [0, 2, 8, 12]],
  ] as const)('is killed at a %s of a file, and run again', async (method, moments) => {
    for (const moment of moments) {
      const store = new FailingStore(trail.directory, method, moment)
      await expect(trail.archive(3, { store })).rejects.toThrow('killed')
      const { rowCount } = await trail.owner.query('select from noetl.secret_audit_retirement')
      expect(rowCount).toBe(0)
    }
    expect((await trail.archive(3)).archived.map(({ rows }) => rows)).toEqual([7, 7, 7])
    expect(folders()).toHaveLength(3)
    expect((await trail.verifyFiles()).found).toEqual([])
  })

  test.each(['rows-000001', 'blocks', 'row-blocks', 'leaves', 'chains'])(
    'counts nothing as archived when %s is read back as something else than was written',
    async (name) => {
      class Altering extends DirectoryStore {
        override async readAt(file: string, offset: number, length: number): Promise<Buffer> {
          const bytes = await super.readAt(file, offset, length)
          if (file.endsWith(`/${name}.ndjson.gz`)) bytes[bytes.length - 12] = (bytes.at(-12) ?? 0) ^ 1
          return bytes
        }
      }
      await expect(trail.archive(2, { store: new Altering(trail.directory) })).rejects.toThrow(
        new RegExp(`/${name}.ndjson.gz is not the file of its manifest`),
      )
      class Cut extends DirectoryStore {
        override async stat(file: string): ReturnType<DirectoryStore['stat']> {
          const standing = await super.stat(file)
          return standing && file.endsWith(`/${name}.ndjson.gz`) ? { bytes: standing.bytes - 1 } : standing
        }
      }
      await expect(trail.archive(2, { store: new Cut(trail.directory) })).rejects.toThrow(
        new RegExp(`/${name}.ndjson.gz is cut off.* It was read back`),
      )
      const { rowCount } = await trail.owner.query('select from noetl.secret_audit_retirement')
      expect(rowCount).toBe(0)
    },
  )

  test('says what it would do, and changes nothing', async () => {
    const plan = await archivePlan(trail.context(), trail.bound(3))
    expect([plan.partitions.length, plan.already, folders()]).toEqual([3, 0, []])
    await trail.archive(1)
    const next = await archivePlan(trail.context(), trail.bound(3))
    expect([next.partitions.length, next.already]).toEqual([2, 1])
  })

  test('takes on what came since to months that are archived: their blocks come with those of the next', async () => {
    await trail.archive(2)
    await trail.write(trail.event(0, 100), trail.event(2, 100))
    await trail.write(trail.event(1, 100))
    const { archived, findings } = await trail.archive(3)
    expect([archived.map(({ rows }) => rows), findings]).toEqual([[8], 0])
    const manifests = folders().map(manifestOf)
    expect(manifests.map(({ rows }) => rows)).toEqual([7, 7, 1, 1, 8])
    const { rows } = await trail.owner.query<{ rows: string; manifests: string }>(
      `select row_count as rows, array_to_string(manifests, ' ') as manifests from noetl.secret_audit_retirement order by to_id`,
    )
    expect(rows.map((row) => [row.rows, row.manifests.split(' ').length])).toEqual([
      ['8', 2],
      ['8', 2],
      ['8', 1],
    ])
    expect((await trail.verifyFiles()).found).toEqual([])
    expect((await trail.retire(3)).map(({ outcome }) => outcome)).toEqual(['retired', 'retired', 'retired'])
    expect(folders()).toHaveLength(5)
  })

  test('is of one moment: rows that come to an earlier month meanwhile are not missing', async () => {
    class LateStore extends DirectoryStore {
      override async create(file: string): ReturnType<DirectoryStore['create']> {
        if (file.startsWith('000002-')) await trail.write(trail.event(0, 100 + this.#files++))
        return super.create(file)
      }
      #files = 0
    }
    const { archived, findings } = await trail.archive(3, { store: new LateStore(trail.directory) })
    expect([archived.length, findings]).toEqual([3, 0])
    expect((await trail.verifyFiles()).found).toEqual([])
    expect((await trail.retire(3)).map(({ outcome }) => outcome)).toEqual(['retired', 'retired', 'retired'])
    expect((await trail.verifyFiles()).found).toEqual([])
  })

  test('says of a row that was altered since that it is not what was archived, and counts nothing', async () => {
    await trail.archive(1)
    await trail.write(trail.event(0, 100))
    await unguard(trail.owner)
    await trail.owner.query(`update noetl.secret_audit set notes = 'other' where audit_id = (
      select min(audit_id) from noetl.secret_audit where chain_id is not null)`)
    await expect(trail.archive(2)).rejects.toThrow(/is not what was archived/)
    const { rowCount } = await trail.owner.query('select from noetl.secret_audit_retirement')
    expect(rowCount).toBe(1)
  })

  test('misses no block that the trust file pins, and that is not archived yet', async () => {
    const head = async (): Promise<PinnedBlock> => {
      const [chain] = (await verifiedTrail(trail.database.url, trail.trust)).chains
      return {
        chain: chain?.chain ?? '',
        block: chain?.head?.block ?? 0,
        hash: chain?.head?.hash ?? Buffer.alloc(0),
      }
    }
    const trust = { ...trail.trust, heads: [await head(), { ...(await head()), chain: '0'.repeat(32) }] }
    expect((await trail.archive(2, { trust })).findings).toBe(0)
    expect((await trail.verifyFiles(trust)).found).toEqual([])
    const [first] = trust.heads
    const wrong = { ...trail.trust, heads: [{ ...first, block: 2 } as PinnedBlock] }
    expect((await trail.verifyFiles(wrong)).found.map(({ code }) => code)).toEqual(['head-mismatch'])
  })

  test('takes no rows that do not verify for proven, unless somebody accepts that', async () => {
    await unguard(trail.owner)
    await trail.owner.query(`update noetl.secret_audit set notes = 'other' where audit_id = (
      select min(audit_id) from noetl.secret_audit where chain_id is not null)`)
    const refused = await trail.archive(1)
    expect([refused.archived, refused.findings]).toEqual([[], trail.findings.length])
    expect(trail.findings.map(({ code }) => code)).toContain('row-changed')
    expect((await trail.archive(1, { acceptFindings: true })).archived).toHaveLength(1)
  })
})

describe('a place that is not in order is refused', () => {
  test('one that has archives of another trail', async () => {
    await trail.archive(1)
    await trail.owner.query('select noetl.secret_audit_begin_trail(true)')
    await expect(trail.archive(2)).rejects.toMatchObject({ code: 'AUDIT_ARCHIVE' })
  })

  test('one that lacks an archive', async () => {
    await trail.archive(2)
    rmSync(join(trail.directory, folders()[0] ?? ''), { recursive: true })
    await expect(trail.archive(3)).rejects.toThrow(/does not follow from the archive before it/)
  })

  test('one whose manifest was altered', async () => {
    await trail.archive(1)
    const file = join(trail.directory, folders()[0] ?? '', 'manifest.json')
    writeFileSync(file, readFileSync(file, 'utf8').replace('"rows": 7', '"rows": 7 '))
    await expect(trail.archive(2)).rejects.toThrow(/its note is about another manifest/)
  })
})

describe('who may', () => {
  test('one at a time', async () => {
    const other = await connect(trail.database.url)
    await other.query('begin; lock table noetl.secret_audit_retirement in share update exclusive mode')
    await expect(trail.archive(1)).rejects.toMatchObject({ code: 'AUDIT_RETENTION' })
    await other.end()
  })

  test('nobody but the owner', async () => {
    const name = `archivist_${Date.now()}`
    await trail.owner.query(`create role ${name} login password 'x'; grant noetl_audit_reader to ${name}`)
    const url = new URL(trail.database.url)
    url.username = name
    url.password = 'x'
    try {
      await expect(trail.archive(1, { databaseUrl: url.href })).rejects.toThrow(/only the owner/)
    } finally {
      await trail.owner.query(`drop owned by ${name}; drop role ${name}`)
    }
  })
})
