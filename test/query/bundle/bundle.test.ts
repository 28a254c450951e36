import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { generateKeyPairSync } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { evidenceKeyName } from '../../../src/chain/chain-key.js'
import { NoteSigner } from '../../../src/chain/note-key.js'
import { makeBundle } from '../../../src/cli/run/evidence-bundle.js'
import { sha256 } from '../../../src/event/sha256.js'
import type { BundleManifest } from '../../../src/query/bundle/bundle-manifest.js'
import { type BundleReport, checkBundle } from '../../../src/query/bundle/check-bundle.js'
import { Snapshot } from '../../../src/postgres/read/snapshot.js'
import { settledFilter } from '../../../src/query/export/export-file.js'
import { coverageRow } from '../../../src/event/self-rows.js'
import { Anchors } from '../../../src/verify/anchors.js'
import { parseTrust } from '../../../src/verify/trust.js'
import { PostgresAuditSink } from 'otel-audit'
import { Trail } from '../../../src/query/trail.js'
import { temporaryDirectory } from '../../spool/directories.js'
import { connect } from '../../support/database.js'
import { anEvent, batchOf } from '../../support/events.js'
import { allSettled } from '../../support/settled.js'
import { TrailServer } from '../../support/trail-server.js'

const ORIGIN = 'otel-audit/wallet'

let server: TrailServer
let url: string
let trail: Trail
let owner: Client
/** A bundle that is whole, and signed. */
let bundle: string
let trustText: string
const key = generateKeyPairSync('ed25519').privateKey
const enrolment = generateKeyPairSync('ed25519').privateKey
const signer = new NoteSigner(evidenceKeyName(ORIGIN), key)
const enroller = new NoteSigner(`${ORIGIN}/enrolment`, enrolment)

beforeAll(async () => {
  // Of its own: elsewhere transactions of other tests keep rows from being settled.
  server = await TrailServer.start()
  url = await server.trail()
  owner = await connect(url)
  const enrolmentKey = enrolment.export({ format: 'pem', type: 'pkcs8' }).toString()
  const sink = new PostgresAuditSink({ databaseUrl: url, origin: ORIGIN, enrolmentKey })
  sink.attach({
    serviceName: 'wallet',
    serviceInstanceId: 'i-1',
    lost: 0,
    onBlock: () => {},
    onLostBlocks: () => {},
  })
  const of = { serviceName: 'wallet', serviceInstanceId: 'i-1' }
  const state = { client: 'node-vault@0.10.2', hook: undefined, node: 'v24', since: '' } as const
  await sink.write(batchOf(anEvent(coverageRow({ ...state, state: 'not_hooked', reason: 'gone' }), of)))
  for (let i = 0; i < 6; i++) {
    const credential = i % 2 === 0 ? 'orders-db' : 'billing-db'
    const notes = 'line\u2028separator'
    await sink.write(
      batchOf(anEvent({ credential, notes }, of), anEvent({ credential, attributes: { i } }, of)),
    )
  }
  await sink.close()
  await allSettled(owner)
  trail = new Trail({ databaseUrl: url })
  trustText = `origin ${ORIGIN}\nenrolment ${enroller.verifierKey}\nevidence ${signer.verifierKey}\nunsigned none\n`
  bundle = join(mkdtempSync(join(tmpdir(), 'bundle-')), 'incident')
  await made(bundle)
})

afterAll(async () => {
  rmSync(join(bundle, '..'), { recursive: true, force: true })
  await trail.close()
  await owner.end()
  await server.close()
})

function made(directory: string, { signed = true, credential = 'orders-db' } = {}) {
  return makeBundle({
    trail,
    open: () => Snapshot.open({ databaseUrl: url, schema: 'noetl' }),
    incident: 'INC-1',
    directory,
    filter: settledFilter({ credential, from: '-1h' }),
    trust: parseTrust(trustText),
    trustSha256: 'ab'.repeat(32),
    anchors: new Anchors(),
    signer: signed ? signer : undefined,
    onMade: async () => {},
  })
}

/** What is found in a copy of the bundle that was changed. */
async function after(
  change: (directory: string) => void,
  { trust = trustText, from = bundle } = {},
): Promise<string[]> {
  const copy = join(temporaryDirectory(), 'copy')
  cpSync(from, copy, { recursive: true })
  change(copy)
  return found(await checkBundle(copy, parseTrust(trust)))
}

const found = ({ findings }: BundleReport): string[] =>
  findings.map(({ code, message }) => `${code}: ${message}`)

const edit = (directory: string, name: string, how: (text: string) => string): void => {
  const path = join(directory, name)
  writeFileSync(path, how(readFileSync(path, 'utf8')))
}

/** As somebody would who knows what the manifest is for. */
function reseal(directory: string, how: (manifest: BundleManifest) => object = () => ({})): void {
  edit(directory, 'manifest.json', (text) => {
    const manifest = JSON.parse(text) as BundleManifest
    const files = manifest.files.map(({ name }) => {
      const bytes = readFileSync(join(directory, name))
      return { name, bytes: bytes.length, sha256: sha256(bytes).toString('hex') }
    })
    return JSON.stringify({ ...manifest, files, ...how(manifest) })
  })
  rmSync(join(directory, 'manifest.note'), { force: true })
}

const unsignedTrust = (): string => trustText.replace(/^evidence .*\n/m, '')

describe('a bundle of evidence', () => {
  test('is whole: every row proven, in an enrolled chain, and the manifest signed', async () => {
    const report = await checkBundle(bundle, parseTrust(trustText))
    expect(found(report)).toEqual([])
    expect(report).toMatchObject({
      proven: 7,
      enrolled: 7,
      unsigned: 0,
      signedBy: [evidenceKeyName(ORIGIN)],
      manifest: {
        rows: 6,
        context_rows: 1,
        proofs: 7,
        unproven: [],
        verification: { result: 'nothing found' },
      },
    })
    const coverage = JSON.parse(readFileSync(join(bundle, 'coverage.json'), 'utf8')) as { stated: unknown[] }
    expect(coverage.stated).toMatchObject([
      { client: 'node-vault@0.10.2', state: 'not_hooked', reason: 'gone' },
    ])
    expect(readFileSync(join(bundle, 'README.txt'), 'utf8')).toContain('WHAT IT DOES NOT PROVE')
  })

  test('can be checked without any key, which then says less', async () => {
    const report = await checkBundle(bundle, parseTrust(''))
    expect(found(report)).toEqual([])
    expect(report).toMatchObject({ proven: 7, enrolled: 0, signedBy: [], isUnchecked: true })
  })

  test('without a signature is one, unless the trust file asks for it', async () => {
    const unsigned = join(temporaryDirectory(), 'unsigned')
    await made(unsigned, { signed: false })
    expect(found(await checkBundle(unsigned, parseTrust(unsignedTrust())))).toEqual([])
    expect(await after(() => {}, { from: unsigned })).toEqual([
      'bundle-signature: manifest.note is not there: nobody signed the bundle',
    ])
    expect(readFileSync(join(unsigned, 'README.txt'), 'utf8')).toContain('was not signed')
  })

  test('of no rows is one, too', async () => {
    const empty = join(temporaryDirectory(), 'empty')
    await made(empty, { credential: 'nobody' })
    expect(found(await checkBundle(empty, parseTrust(trustText)))).toEqual([])
  })

  test('is not made over one that is there', async () => {
    await expect(made(bundle)).rejects.toMatchObject({ code: 'AUDIT_EXPORT' })
  })

  test('is not left in half when it cannot be recorded', async () => {
    const directory = join(temporaryDirectory(), 'half')
    const failing = makeBundle({
      trail,
      open: () => Snapshot.open({ databaseUrl: url, schema: 'noetl' }),
      incident: 'INC-2',
      directory,
      filter: settledFilter({ credential: 'orders-db' }),
      trust: parseTrust(trustText),
      trustSha256: null,
      anchors: new Anchors(),
      signer: undefined,
      onMade: () => Promise.reject(new Error('no row')),
    })
    await expect(failing).rejects.toThrow('no row')
    await expect(checkBundle(directory, parseTrust(''))).rejects.toMatchObject({
      code: 'AUDIT_EVIDENCE_MALFORMED',
    })
    await expect(checkBundle(`${directory}.part`, parseTrust(''))).rejects.toThrow('ENOENT')
  })
})

describe('by name is found', () => {
  const FILES = [
    'README.txt',
    'rows.ndjson',
    'context.ndjson',
    'proofs.ndjson',
    'notes.txt',
    'coverage.json',
    'verify.json',
    'rows.ndjson.manifest.json',
  ]

  test.each(FILES)('%s that was altered, cut, or taken away', async (name) => {
    expect(await after((copy) => edit(copy, name, (text) => text.replace(/[a-z]/, 'Z')))).toContain(
      `bundle-file: ${name} was altered: it has another SHA-256`,
    )
    expect(await after((copy) => edit(copy, name, (text) => text.slice(0, -3)))).toContainEqual(
      expect.stringMatching(new RegExp(`^bundle-file: ${name} was cut or altered`)),
    )
    expect(await after((copy) => edit(copy, name, (text) => `${text}\n`))).toContainEqual(
      expect.stringMatching(new RegExp(`^bundle-file: ${name} was altered: it has \\d+ bytes`)),
    )
    expect(await after((copy) => rmSync(join(copy, name)))).toContain(`bundle-file: ${name} is missing`)
  })

  test('two files that were exchanged, and one too many', async () => {
    const exchanged = await after((copy) => {
      renameSync(join(copy, 'verify.json'), join(copy, 'x'))
      renameSync(join(copy, 'coverage.json'), join(copy, 'verify.json'))
      renameSync(join(copy, 'x'), join(copy, 'coverage.json'))
    })
    expect(exchanged).toEqual([
      'bundle-file: coverage.json has the content of verify.json',
      'bundle-file: verify.json has the content of coverage.json',
    ])
    expect(await after((copy) => writeFileSync(join(copy, 'more.txt'), ''))).toEqual([
      'bundle-file: "more.txt" is not a file of the bundle',
    ])
    const [first] = await after((copy) => {
      rmSync(join(copy, 'notes.txt'))
      mkdirSync(join(copy, 'notes.txt'))
    })
    expect(first).toBe('bundle-file: notes.txt cannot be read (EISDIR)')
  })

  test('a manifest that was sealed anew: its signature is gone, or is of another one', async () => {
    expect(await after((copy) => reseal(copy))).toEqual([
      'bundle-signature: manifest.note is not there: nobody signed the bundle',
    ])
    const note = readFileSync(join(bundle, 'manifest.note'), 'utf8')
    const swapped = await after((copy) => {
      reseal(copy, () => ({ incident: 'INC-2' }))
      writeFileSync(join(copy, 'manifest.note'), note)
    })
    expect(swapped).toEqual(['bundle-signature: manifest.note is of another manifest than manifest.json'])
    const other = new NoteSigner(evidenceKeyName(ORIGIN), generateKeyPairSync('ed25519').privateKey)
    const foreign = trustText.replace(signer.verifierKey, other.verifierKey)
    expect(await after(() => {}, { trust: foreign })).toEqual([
      'bundle-signature: manifest.note: no known key has signed it',
    ])
    expect(await after((copy) => writeFileSync(join(copy, 'manifest.note'), 'x'))).toContainEqual(
      expect.stringMatching(/^bundle-signature: manifest\.note: not a signed note/),
    )
  })

  const idOf = (line: string): string => (JSON.parse(line) as { audit_id: string }).audit_id
  const rowLines = (): string[] => readFileSync(join(bundle, 'rows.ndjson'), 'utf8').trimEnd().split('\n')
  /** With a manifest that agrees with whatever was changed: only the proofs can tell. */
  const forged = (
    name: string,
    how: (lines: string[]) => string[],
    more: (m: BundleManifest) => object = () => ({}),
  ) =>
    after(
      (copy) => {
        edit(copy, name, (text) =>
          how(text.trimEnd().split('\n'))
            .map((line) => `${line}\n`)
            .join(''),
        )
        edit(copy, 'rows.ndjson.manifest.json', (text) => {
          const rows = readFileSync(join(copy, 'rows.ndjson'))
          const count = rows.toString().trimEnd().split('\n').length
          return JSON.stringify({
            ...(JSON.parse(text) as object),
            sha256: sha256(rows).toString('hex'),
            rows: count,
          })
        })
        reseal(copy, more)
      },
      { trust: unsignedTrust() },
    )

  test('a row that was changed, whoever made the manifest', async () => {
    const id = idOf(rowLines()[2] ?? '')
    const how = (lines: string[]) => lines.map((line, i) => (i === 2 ? line.replace('"ok"', '"no"') : line))
    expect(await forged('rows.ndjson', how)).toEqual([
      `bundle-row: row ${id} of rows.ndjson is not the one that was proven`,
    ])
    const place = (lines: string[]) =>
      lines.map((line, i) => (i === 2 ? line.replace(/"block_no":"\d+"/, '"block_no":"99"') : line))
    expect(await forged('rows.ndjson', place)).toEqual([
      `bundle-row: row ${id} of rows.ndjson is not the one that was proven`,
    ])
    const time = (lines: string[]) =>
      lines.map((line) => line.replace(/"recorded_at":"2/, '"recorded_at":"3'))
    expect(await forged('rows.ndjson', time), 'no signature covers it').toEqual([])
  })

  test('a row that was put in, doubled, moved, or is of something else', async () => {
    const [first = '', second = ''] = rowLines()
    const planted = first.replace(idOf(first), '384294807914644744')
    expect(
      await forged(
        'rows.ndjson',
        (lines) => [...lines, planted],
        () => ({ rows: 7 }),
      ),
    ).toEqual(['bundle-row: row 384294807914644744 of rows.ndjson has no proof'])
    expect(
      await forged(
        'rows.ndjson',
        (lines) => [...lines, first],
        () => ({ rows: 7 }),
      ),
    ).toEqual([`bundle-row: row ${idOf(first)} is there twice`])
    expect(await forged('rows.ndjson', ([a = '', b = '', ...rest]) => [b, a, ...rest])).toEqual([
      `bundle-row: row ${idOf(first)} of rows.ndjson is out of order`,
    ])
    expect(
      await forged(
        'rows.ndjson',
        (lines) => [...lines, '{}'],
        () => ({ rows: 7 }),
      ),
    ).toEqual(['bundle-row: line 7 of rows.ndjson is not a row'])
    const narrower = (manifest: BundleManifest) => ({ filter: { ...manifest.filter, credential: 'else' } })
    expect(await forged('rows.ndjson', (lines) => lines, narrower)).toContain(
      `bundle-row: row ${idOf(second)} of rows.ndjson is not one that the filter asks for`,
    )
  })

  test('a row that was left out, by the proof that is left', async () => {
    const [first = ''] = rowLines()
    expect(
      await forged(
        'rows.ndjson',
        (lines) => lines.slice(1),
        () => ({ rows: 5 }),
      ),
    ).toEqual([`bundle-proof: row ${idOf(first)} has a proof, and is not in the bundle`])
  })

  test('a proof that was changed, left out or doubled', async () => {
    const id = idOf(rowLines()[0] ?? '')
    const changed = await forged('proofs.ndjson', ([a = '', ...rest]) => [
      a.replace('orders-db', 'orders-dc'),
      ...rest,
    ])
    expect(changed).toContainEqual(
      expect.stringMatching(new RegExp(`^bundle-proof: line 1 of proofs.ndjson, row ${id}:`)),
    )
    expect(changed).toContain(`bundle-row: row ${id} of rows.ndjson has no proof`)
    const less = await forged(
      'proofs.ndjson',
      ([, ...rest]) => rest,
      () => ({ proofs: 6 }),
    )
    expect(less).toContain(`bundle-row: row ${id} of rows.ndjson has no proof`)
    const twice = await forged(
      'proofs.ndjson',
      (lines) => [...lines, lines[0] ?? ''],
      () => ({ proofs: 8 }),
    )
    expect(twice).toContain(`bundle-proof: row ${id} has two proofs`)
    expect(
      await forged(
        'proofs.ndjson',
        (lines) => ['{}', ...lines],
        () => ({ proofs: 8 }),
      ),
    ).toContainEqual(expect.stringMatching(/^bundle-proof: line 1 of proofs\.ndjson: not a proof of a row/))
  })

  test('what does not follow from the rows', async () => {
    expect(await forged('notes.txt', () => ['nothing'])).toEqual([
      'bundle-manifest: notes.txt does not have the notes that the proofs name',
    ])
    expect(await forged('coverage.json', () => ['{"stated":[]}'])).toEqual([
      'bundle-manifest: coverage.json is not what follows from the rows of context.ndjson',
    ])
    expect(
      await forged(
        'rows.ndjson',
        (lines) => lines,
        () => ({ rows: 9, context_rows: 9, proofs: 9 }),
      ),
    ).toEqual([
      'bundle-manifest: the manifest says 9 rows, and there are 6',
      'bundle-manifest: the manifest says 9 context_rows, and there are 1',
      'bundle-manifest: the manifest says 9 proofs, and there are 7',
      'bundle-manifest: rows.ndjson.manifest.json is of other rows',
    ])
    const unproven = [{ audit_id: '7', why: 'it has no block' }]
    expect(
      await forged(
        'rows.ndjson',
        (lines) => lines,
        () => ({ unproven }),
      ),
    ).toEqual(['bundle-row: row 7 is named as not proven, and is not in the bundle'])
    const cut = await after(
      (copy) => {
        edit(copy, 'rows.ndjson.manifest.json', () => '{}')
        reseal(copy)
      },
      { trust: unsignedTrust() },
    )
    expect(cut).toEqual([
      expect.stringMatching(/^bundle-manifest: rows\.ndjson\.manifest\.json: the manifest/),
    ])
    const missing = await after((copy) => reseal(copy, ({ files }) => ({ files: files.slice(1) })), {
      trust: unsignedTrust(),
    })
    expect(missing).toEqual(['bundle-manifest: manifest.json does not name README.txt'])
  })

  test.each(['nonsense', '{}', '[]', 'null', '{"format":"otel-audit/evidence/v1"}'])(
    'what is no manifest at all: %s',
    async (text) => {
      await expect(after((copy) => writeFileSync(join(copy, 'manifest.json'), text))).rejects.toMatchObject({
        code: 'AUDIT_EVIDENCE_MALFORMED',
      })
    },
  )

  test('a manifest that names files elsewhere is not one', async () => {
    const elsewhere = after((copy) =>
      reseal(copy, ({ files }) => ({
        files: [...files, { name: '../../etc/passwd', bytes: 1, sha256: 'ab'.repeat(32) }],
      })),
    )
    await expect(elsewhere).rejects.toMatchObject({ code: 'AUDIT_EVIDENCE_MALFORMED' })
  })
})

describe('of a trail that was tampered with', () => {
  test('a bundle is made, says so, and names the rows that could not be proven', async () => {
    await owner.query(`alter table noetl.secret_audit disable trigger all`)
    const { rows } = await owner.query<{ id: string }>(
      `select audit_id::text as id from noetl.secret_audit where credential = 'billing-db' order by audit_id desc limit 1`,
    )
    const id = rows[0]?.id ?? ''
    await owner.query(`update noetl.secret_audit set notes = 'changed' where audit_id = $1`, [id])
    await owner.query(
      `insert into noetl.secret_audit (audit_id, credential, operation, outcome)
       values (((extract(epoch from now()) * 1000)::bigint - 1704067200000) << 22, 'billing-db', 'get_credential', 'ok')`,
    )
    await allSettled(owner)
    const directory = join(temporaryDirectory(), 'tampered')
    const { hasFindings, text } = await made(directory, { credential: 'billing-db' })
    expect(hasFindings).toBe(true)
    expect(text).toContain('row-changed')
    const strict = found(await checkBundle(directory, parseTrust(trustText)))
    expect(strict).toContainEqual(
      expect.stringMatching(new RegExp(`row ${id} of rows.ndjson could not be proven when`)),
    )
    expect(strict).toHaveLength(2)
    const lenient = await checkBundle(
      directory,
      parseTrust(trustText.replace('unsigned none', 'unsigned any')),
    )
    expect(lenient).toMatchObject({ unsigned: 1, proven: 6 })
    expect(lenient.findings).toHaveLength(1)
  })
})
