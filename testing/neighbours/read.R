# How R reads a file: `Rscript read.R PROGRAM FILE OUT` with hdf5r, rhdf5 or rhdf5/way. `neighbours.py` judges what is written to OUT.
arguments <- commandArgs(trailingOnly = TRUE)
program <- sub("/way", "", arguments[1]); path <- arguments[2]; out <- arguments[3]
writeLines(paste0(program, " ", packageVersion(program), ", R ", getRversion()), file.path(out, "version"), sep = "")
names <- c("W", "V", "loss", "mask", "scale", "ids")
entries <- c()
quoted <- function(value) if (is.character(value)) paste0('"', value, '"') else format(value, digits = 17)
if (program == "hdf5r") {
  suppressMessages(library(hdf5r))
  file <- H5File$new(path, mode = "r")
  read <- function(name) if (file$exists(name)) file[[name]]$read() else NULL
  told <- function(node, name) tryCatch(hdf5r::h5attr(node, name), error = function(e) NULL)
  attributes <- list(lr = told(file, "lr"), name = told(file, "name"), logical_dtype = told(file[["W"]], "logical_dtype"))
} else {
  suppressMessages(library(rhdf5))
  large <- if (program == arguments[1]) "int" else "bit64"
  read <- function(name) h5read(path, name, bit64conversion = large)
  top <- h5readAttributes(path, "/")
  attributes <- list(lr = top$lr, name = top$name, logical_dtype = h5readAttributes(path, "W")$logical_dtype)
}
for (name in names) {
  value <- tryCatch(read(name), error = function(e) NULL)
  if (is.null(value)) next
  if (is.factor(value) || inherits(value, "factor_ext")) value <- as.logical(as.character(value) == "TRUE")
  kind <- if (is.logical(value)) "bool" else if (inherits(value, "integer64")) "<i8" else if (is.integer(value)) "<i4" else "<f8"
  shape <- if (is.null(dim(value))) length(value) else rev(dim(value))
  bytes <- if (kind == "bool") as.raw(value) else if (kind == "<i8") writeBin(as.vector(unclass(value)), raw()) else writeBin(as.vector(value), raw())
  writeBin(bytes, file.path(out, paste0(name, ".bin")))
  missing <- sum(is.na(value) & !is.nan(as.vector(value)))
  entries <- c(entries, sprintf('"%s": {"dtype": "%s", "shape": [%s], "masked": %d}', name, kind, paste(shape, collapse = ","), missing))
}
of <- function(keys) paste(sapply(Filter(function(k) !is.null(attributes[[k]]), keys), function(k) sprintf('"%s": %s', k, quoted(attributes[[k]]))), collapse = ", ")
writeLines(sprintf('{"attributes": {"": {%s}, "W": {%s}}, "arrays": {%s}}', of(c("lr", "name")), of("logical_dtype"), paste(entries, collapse = ", ")), file.path(out, "read.json"))
