export {
  type Block,
  blockHash,
  type BlockIds,
  type BlockKind,
  type ChainOpening,
  type ChainPosition,
  chainIdOf,
  rowLeaf,
} from './block.js'
export { parseBlock } from './block-parse.js'
export {
  consistencyProof,
  inclusionProof,
  leafHash,
  merkleRoot,
  type TreeSize,
  verifyConsistency,
  verifyInclusion,
} from './merkle.js'
export { type OpenedNote, openNote, signNote } from './note.js'
export { generateNoteKey, type NoteKey, NoteSigner, VerifierKey } from './note-key.js'
