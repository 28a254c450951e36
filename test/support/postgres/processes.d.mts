export declare function clusterProcesses(cluster: string): { pid: number; stopped: boolean }[]
export declare function freeze(cluster: string): Promise<void>
export declare function thaw(cluster: string): void
export declare function crash(directory: string): Promise<void>
export declare function removeCluster(directory: string): Promise<void>
export declare function endCluster(directory: string): Promise<void>
