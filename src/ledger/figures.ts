/** What the ledger reports of itself. */
export interface LedgerFigures {
  readonly epoch: string;
  readonly first: number;
  readonly last: number;
  readonly unsent: number;
  readonly unsettled: number;
  readonly dead: number;
  readonly bytes: number;
  /** Why events are refused now, or undefined. */
  readonly refusing: { readonly code: string; readonly reason: string } | undefined;
  readonly refused: number;
  /** Events accepted since the ledger was opened. */
  readonly accepted: number;
  readonly quarantined: number;
}
