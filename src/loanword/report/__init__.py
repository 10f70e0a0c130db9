"""Finished records -> one page that answers what was gained and what was lost, and the same as JSON and CSV."""

from loanword.report.gather import RunFolders, StudyInfo
from loanword.report.page import write_report

__all__ = ["RunFolders", "StudyInfo", "write_report"]
