import entitled

says = {entitled.YES: "entitled", entitled.NO: "not entitled", entitled.NOT_KNOWN: "not known"}
print(says[entitled.check("acme-cad").answer])  # and .has("export")
