import { AuditError } from '../errors.js'

/** A file of an archive that is being written. */
export interface ArchiveFile {
  write(bytes: Uint8Array): Promise<void>
  /** From here on it is there, and survives a crash. */
  close(): Promise<void>
}

/**
 * Where archives are put: folders of files, which are written once and never changed.
 *
 * Every method throws AuditError `AUDIT_ARCHIVE`, naming the file.
 */
export interface ArchiveStore {
  /** As it was given: a directory, a URL. */
  readonly place: string
  /** Names of the folders, in ascending order. */
  folders(): Promise<readonly string[]>
  has(file: string): Promise<boolean>
  /** How long a file is, in bytes. */
  size(file: string): Promise<number>
  read(file: string): Promise<Buffer>
  /** Exactly so many bytes. */
  readAt(file: string, offset: number, length: number): Promise<Buffer>
  /** @param file `<folder>/<name>`, which must not be there yet. The folder is made */
  create(file: string): Promise<ArchiveFile>
  /** Removes what an archive left that was interrupted. */
  discard(folder: string): Promise<void>
}

/** @param remedy in place of the one that the catalogue has */
export function archiveError(problem: string, cause?: unknown, remedy?: string): AuditError {
  return new AuditError('AUDIT_ARCHIVE', problem, {
    ...(cause !== undefined && { cause }),
    ...(remedy !== undefined && { remedy }),
  })
}
