# SPDX-License-Identifier: MIT
# powershell.ps1 FILE: it parses, has nothing that Windows' own PowerShell 5.1 does not know, and, on a
# machine that has none of what it needs, says what that is.
param([string] $File)
$path = (Resolve-Path $File).Path
$tokens = $null
$errors = $null
[void] [System.Management.Automation.Language.Parser]::ParseFile($path, [ref] $tokens, [ref] $errors)
$said = @($errors | ForEach-Object { "${File}:$($_.Extent.StartLineNumber): $($_.Message)" })
$newer = 'AndAnd', 'OrOr', 'QuestionMark', 'QuestionQuestion', 'QuestionQuestionEquals', 'QuestionDot', 'QuestionLBracket'
$said += @($tokens | Where-Object { $newer -contains $_.Kind } |
    ForEach-Object { "${File}:$($_.Extent.StartLineNumber): PowerShell 5.1 has no $($_.Text)" })
$said += @(Select-String -Path $path -Pattern '[^\x00-\x7f]' |
    ForEach-Object { "${File}:$($_.LineNumber): PowerShell 5.1 reads this as another character set" })
if ($said.Count -eq 0) {
  $env:PATH = Join-Path $PSScriptRoot 'nothing'
  $output = & $path -Compiler mingw 6>&1 | Out-String
  foreach ($name in 'gcc', 'ninja', 'CMake', 'GoogleTest') {
    if ($output -notmatch "(?m)^(on-windows: missing here: )?$name.*:") { $said += "it does not say that $name is missing: $output" }
  }
  if ($LASTEXITCODE -ne 1) { $said += "without all that it needs it ends with $LASTEXITCODE" }
}
$said | Write-Host
exit [int] ($said.Count -gt 0)
