import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { BLOCKS_PER_KEY } from '../../src/chain/block.js'
import { newChain } from '../../src/chain/chain-key.js'
import { generateNoteKey, type NoteSigner } from '../../src/chain/note-key.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { anEvent, batchOf } from '../support/events.js'
import { afterAttack, type Scene, verifyReport } from './attack.js'
import { type Forgery, rewrite } from './forger.js'
import { honestTrail, type HonestTrail, ORIGIN } from './honest-trail.js'

// What somebody can do who may write to both tables, and has a key: one of his own, or that of a writer.

/** The newest key of each chain: an attacker who reads the writers' memory has them. */
const stolen = vi.hoisted(() => new Map<string, NoteSigner>())

vi.mock('../../src/chain/chain-key.js', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/chain/chain-key.js')>()
  return {
    ...original,
    newChain(log: string) {
      const made = original.newChain(log)
      stolen.set(made.id, made.signer)
      return made
    },
    nextKey(log: string, chain: string) {
      const signer = original.nextKey(log, chain)
      stolen.set(chain, signer)
      return signer
    },
  }
})

let honest: HonestTrail
let directory: string
let trusted: string[]
let anchored: string[]
/** A chain whose writer has changed its key. */
let rotated: string

beforeAll(async () => {
  honest = await honestTrail()
  rotated = await writeUntilRotated()
  directory = mkdtempSync(join(tmpdir(), 'otel-audit-forged-'))
  const trust = `origin ${ORIGIN}\nenrolment ${honest.verifierKey}\nunsigned none\n`
  trusted = ['--trust', file('trust', trust)]
  anchored = [...trusted, '--anchors', file('notes', honest.blocks.map(({ note }) => note).join(''))]
})

afterAll(async () => {
  rmSync(directory, { recursive: true })
  await honest.database.drop()
})

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

async function writeUntilRotated(): Promise<string> {
  const before = new Set(stolen.keys())
  const { database, enrolmentKey } = honest
  const sink = new PostgresAuditSink({ databaseUrl: database.url, origin: ORIGIN, enrolmentKey })
  for (let n = 0; n <= BLOCKS_PER_KEY; n++) await sink.write(batchOf(anEvent()))
  await sink.close()
  return [...stolen.keys()].find((chain) => !before.has(chain)) ?? ''
}

/** Changes a row of a block, and everything of its chain from there on. */
const forge =
  (forgery: Forgery, block = forgery.from) =>
  async (scene: Scene): Promise<void> => {
    await scene.client.query(
      `update noetl.secret_audit set credential = 'forged' where audit_id =
         (select min(audit_id) from noetl.secret_audit where chain_id = $1 and block_no = $2)`,
      [forgery.chain, block],
    )
    await rewrite(scene, forgery)
  }

function keyOf(chain: string): NoteSigner {
  const key = stolen.get(chain)
  if (key === undefined) throw new Error(`no writer has chain ${chain}`)
  return key
}

test('nothing is found before', async () => {
  const { code, found } = await verifyReport(honest.database.url, ...anchored)
  expect([code, found]).toEqual([0, []])
})

describe('with the stolen key of a writer', () => {
  test('its newest blocks are rewritten: only anchors tell', async () => {
    const { killed: chain } = honest.chains
    const attack = forge({ chain, from: 4, key: keyOf(chain) })
    expect(await afterAttack(honest, attack, trusted)).toMatchObject({ code: 0, found: [] })
    const { code, found } = await afterAttack(honest, attack, anchored)
    const mismatch = [4, 5].map((block) => ({ code: 'anchor-mismatch', chain, block }))
    expect([code, found]).toMatchObject([1, mismatch])
  })

  test('blocks from before its last rotation are rewritten: the signatures tell', async () => {
    const attack = forge({ chain: rotated, from: 3, key: keyOf(rotated) })
    const { code, found } = await afterAttack(honest, attack, trusted)
    expect([code, found[0]]).toMatchObject([1, { code: 'block-signature', chain: rotated, block: 3 }])
  })
})

describe('with a key of one’s own', () => {
  test('a chain is signed again under its id: the id tells', async () => {
    const { idle: chain } = honest.chains
    const { signer: key } = generateNoteKey(`${ORIGIN}/${chain}`)
    const { code, found } = await afterAttack(honest, forge({ chain, from: 0, key }, 3), [])
    expect(code).toBe(1)
    expect(found).toContainEqual(expect.objectContaining({ code: 'chain-id', chain, block: 0 }))
  })

  test('a chain is rewritten as another one: the operator’s key tells', async () => {
    const { closed: chain } = honest.chains
    const { id: as, signer: key } = newChain(ORIGIN)
    const attack = forge({ chain, from: 0, key, as }, 3)
    expect(await afterAttack(honest, attack, [])).toMatchObject({ code: 0, found: [] })
    const { code, found } = await afterAttack(honest, attack, trusted)
    expect([code, found]).toMatchObject([1, [{ code: 'chain-unenrolled', chain: as, block: 0 }]])
  })
})
