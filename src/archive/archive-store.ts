import { AuditError } from '../errors.js'
import type { ObjectLock } from './object-lock.js'

/** A file of an archive that is being written. */
export interface ArchiveFile {
  write(bytes: Uint8Array): Promise<void>
  /**
   * From here on it is there, and survives a crash.
   *
   * @returns its version, where the store keeps several
   */
  close(): Promise<string | undefined>
  /** It is not finished: what is held for it is let go. Never rejects, and may be called after the other two have. */
  abandon(): Promise<void>
}

/** What is known of a file. */
export interface FileStanding {
  readonly bytes: number
  /** Who asks for the file by its name alone does not get this version, and why. */
  readonly hiddenBy?: 'a delete marker' | 'a newer version' | undefined
}

/** What became of a mark. `legal hold`: nobody can delete the files. `mark`: a file says it. `none`: the store can do neither. */
export type Marking = 'legal hold' | 'mark' | 'none'

/** A file, and the version of it that is meant, where that is known. */
export interface FileVersion {
  /** `<folder>/<name>`. */
  readonly file: string
  readonly version?: string | undefined
}

/**
 * Where archives are put: folders of files, which are written once and never changed.
 *
 * A version says where to look, and is not evidence: what is read is held against the manifest. Where the store does not have it, as
 * after a copy, the file of that name is read.
 *
 * Every method throws AuditError `AUDIT_ARCHIVE`, naming the file.
 */
export interface ArchiveStore {
  /** As it was given: a directory, a URL. */
  readonly place: string
  /** Names of the folders, in ascending order. Those of which everything was discarded are left out. */
  folders(): Promise<readonly string[]>
  /** The versions of a file, the newest first; hidden ones too. Undefined: a store that keeps one. */
  versions(file: string): Promise<readonly (string | undefined)[]>
  /** Undefined: it is not there. */
  stat(file: string, version?: string): Promise<FileStanding | undefined>
  read(file: string, version?: string): Promise<Buffer>
  /** Exactly so many bytes. */
  readAt(file: string, offset: number, length: number, version?: string): Promise<Buffer>
  /** @param file `<folder>/<name>`, which must not be there yet. The folder is made */
  create(file: string): Promise<ArchiveFile>
  /** Removes what an archive left that was interrupted. What is locked is hidden, and stays until its lock ends. */
  discard(folder: string): Promise<void>
  /** The same place; what is created there is locked. */
  lockedBy(lock: ObjectLock): ArchiveStore
  /** How a file is locked. Undefined: it is not, or this login may not know. */
  lockOf(file: string, version?: string): Promise<ObjectLock | undefined>
  /** Marks the files of an archive as held, or as held no longer. */
  mark(folder: string, files: readonly FileVersion[], isHeld: boolean): Promise<Marking>
}

/** @param remedy in place of the one that the catalogue has */
export function archiveError(problem: string, cause?: unknown, remedy?: string): AuditError {
  return new AuditError('AUDIT_ARCHIVE', problem, {
    ...(cause !== undefined && { cause }),
    ...(remedy !== undefined && { remedy }),
  })
}
