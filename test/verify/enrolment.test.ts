import { describe, expect, test } from 'vitest'
import { generateNoteKey, type NoteKey } from '../../src/chain/note-key.js'
import { checkRowProof, makeRowProof } from '../../src/verify/row-proof.js'
import { NO_TRUST, parseTrust } from '../../src/verify/trust.js'
import { chainOf, MemoryTrail, MemoryWriter, verified } from './memory-trail.js'

// Whose key enrols a chain: that of its own log, by name, whatever else an auditor knows of the operator.

const ELSEWHERE = 'otel-audit/elsewhere'

function trailOf(log: string, key: NoteKey): { trail: MemoryTrail; proof: string } {
  const trail = new MemoryTrail()
  const writer = new MemoryWriter(trail, undefined, chainOf(log, key.signer))
  const [row] = writer.write(1)
  writer.end('close')
  if (row === undefined) throw new Error('no row')
  const [genesis, block] = [trail.blockAt(writer.id, 0), trail.blockAt(writer.id, 1)]
  const proof = makeRowProof(row.event, 0, [row.digest ?? Buffer.alloc(0)], block, [genesis])
  return { trail, proof: JSON.stringify(proof) }
}

const codes = async (trail: MemoryTrail, ...keys: readonly NoteKey[]): Promise<string[]> => {
  const { found } = await verified(trail, { enrolment: keys.map(({ signer }) => signer.key) })
  return found.map(({ code }) => code)
}

describe('an enrolment key', () => {
  test.each([
    'otel-audit/synth/enrolment',
    'otel-audit/elsewhere',
    'enrolment',
    'otel-audit/elsewhere/enrolment/enrolment',
    'otel-audit/elsewhere//enrolment',
    'otel-audit/elsewhere/Enrolment',
    'otel-audit/elsewhere2/enrolment',
    'otel-audit/elsewher\u0435/enrolment',
  ])('called %s does not vouch for a chain of otel-audit/elsewhere', async (name) => {
    const key = generateNoteKey(name)
    const { trail, proof } = trailOf(ELSEWHERE, key)
    expect(await codes(trail, key)).toEqual(['chain-unenrolled'])
    // Nor beside the right key, which has not signed.
    expect(await codes(trail, key, generateNoteKey(`${ELSEWHERE}/enrolment`))).toEqual(['chain-unenrolled'])
    const trust = { ...NO_TRUST, enrolment: [key.signer.key] }
    expect(() => checkRowProof(proof, trust)).toThrow(
      expect.objectContaining({ code: 'AUDIT_EVIDENCE_REFUTED' }),
    )
  })

  test('of its own log does, beside those of other logs, and beside another of that name', async () => {
    const key = generateNoteKey(`${ELSEWHERE}/enrolment`)
    const others = [generateNoteKey(`${ELSEWHERE}/enrolment`), generateNoteKey('otel-audit/synth/enrolment')]
    const { trail, proof } = trailOf(ELSEWHERE, key)
    for (const keys of [[key], [key, ...others], [...others, key]]) {
      expect(await codes(trail, ...keys)).toEqual([])
      const enrolment = keys.map(({ signer }) => signer.key)
      expect(checkRowProof(proof, { ...NO_TRUST, enrolment }).enrolled).toBe(true)
    }
  })

  test('that no log can have is refused in a trust file', () => {
    const { verifierKey } = generateNoteKey('otel-audit/elsewhere')
    expect(() => parseTrust(`origin x\nenrolment ${verifierKey}`)).toThrow(/line 2: .*<log>\/enrolment/)
  })
})
