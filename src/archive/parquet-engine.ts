/** What writes rows as Parquet, and reads them back. Files are local ones. */
export interface ParquetEngine {
  /** With its version. */
  readonly name: string
  /**
   * @param from a gzip file of lines, as archives have it
   * @param to the file to make: the same rows in the same order
   * @throws AuditError `AUDIT_ARCHIVE`, which quotes nothing of a row
   */
  write(from: string, to: string): Promise<void>
  /**
   * The rows of a file, in its order: the texts of their columns, as `lineOfTexts` takes them.
   *
   * @throws AuditError `AUDIT_ARCHIVE`
   */
  rows(file: string): AsyncIterable<readonly (readonly (string | null)[])[]>
  close(): void
}
