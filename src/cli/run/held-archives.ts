import { type HeldRequest, type MarkedArchive, markArchives } from '../../archive/held-archives.js'
import { visible } from '../../host/visible.js'
import { archivesAt } from './archive-place.js'

const EXIT_NOT_MARKED = 1

/** Marks archives, and says what became of each. What could not be marked ends the command with 1: the hold stands all the same. */
export async function tellMarks(request: Omit<HeldRequest, 'storeAt'>): Promise<void> {
  const marked = await markArchives({ ...request, storeAt: archivesAt })
  for (const one of marked) if (one.marking !== undefined) process.stdout.write(`${visible(lineOf(one))}\n`)
  for (const { place, folder, problem } of marked) {
    if (problem === undefined) continue
    const what = folder === undefined ? place : `${place}/${folder}`
    process.stderr.write(
      `${visible(`otel-audit: ${what} could not be marked: ${problem}. The hold stands; run \`otel-audit hold mark\` when the place answers`)}\n`,
    )
    process.exitCode = EXIT_NOT_MARKED
  }
}

function lineOf({ place, folder, isHeld, marking }: MarkedArchive): string {
  const what = `${place}/${folder}`
  switch (marking) {
    case 'legal hold':
      return `${what}: legal hold ${isHeld ? 'on' : 'off'}`
    case 'mark':
      return `${what}: ${isHeld ? 'marked as held (HELD)' : 'not marked as held any more'}`
    default:
      return `${what}: its bucket has no Object Lock, so it is not marked${isHeld ? ': keep it yourself' : ''}`
  }
}
