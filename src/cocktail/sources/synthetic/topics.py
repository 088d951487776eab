"""The twenty topics of market messages, in the order of the set's labels, with their templates."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """One topic of the set.

    Attributes:
        name: as in the list of labels.
        weight: how common it is; very uneven, as in the real set.
        heading: words under which the pretraining text files such messages; not the label's own.
        templates: what is said about it.
    """

    name: str
    weight: float
    heading: str
    templates: tuple[str, ...]


TOPICS = (
    Topic("Analyst Update", 3, "analyst calls", (
        "${ticker}: {bank} raises its rating on {company}",
        "{bank} analyst {person} cuts target of {company} to {n}",
        "${ticker} - analyst rating on {company} lowered on {day}",
    )),
    Topic("Fed | Central Banks", 5, "central bank", (
        "Central bank head {person} hints at rate move {soon}",
        "Central bank in {city} leaves its rate at {n}",
        "Rate setters of the central bank meet in {city} on {day}",
    )),
    Topic("Company | Product News", 12, "new products", (
        "{company} launches a new product line in {city}",
        "{company} unveils a product for the {thing} trade {soon}",
        "${ticker} - {company} & {bank} show new product",
    )),
    Topic("Treasuries | Corporate Debt", 3, "bonds", (
        "{company} sells bonds worth {n} through {bank}",
        "Ten year bonds {up} as yields {down} {n}",
        "Bonds of {company} {down} in {city}",
    )),
    Topic("Dividend", 4, "dividends", (
        "${ticker} - {company} declares a dividend of {n}",
        "{company} lifts its dividend by {n}",
        "{company} dividend due on {day}",
    )),
    Topic("Earnings", 8, "earnings", (
        "{company} reports quarter earnings of {n}",
        "${ticker} - {company} earnings beat by {n}",
        "Earnings of {company} & its peers out on {day}",
    )),
    Topic("Energy | Oil", 5, "energy", (
        "Oil {up} {n} as wells near {city} close",
        "Crude oil {down} {n} on {gloomy} {market}",
        "{city} pipeline carries less oil & gas on {day}",
    )),
    Topic("Financials", 3, "lenders", (
        "{bank} writes off loans in {city}",
        "Lenders such as {bank} see loans {go_up} in {city}",
        "{bank} & other lenders in {city} hold more cash",
    )),
    Topic("Currencies", 3, "currencies", (
        "The crown {up} {n} against the dollar on {day}",
        "Currency traders in {city} sell the crown on {day}",
        "Crown & mark {down} on currency fears in {city}",
    )),
    Topic("General News | Opinion", 8, "opinion", (
        "Opinion: why {city} needs better schools {soon}",
        "Storm hits {city} on {day}, {n} homes lost",
        "Opinion: {person} on life after work",
    )),
    Topic("Gold | Metals | Materials", 3, "metals", (
        "{metal} {up} to {n} an ounce",
        "{metal} & {metal} {down} in {city} metals trade",
        "{city} miners ship less {metal}",
    )),
    Topic("IPO", 2, "listings", (
        "{company} unit to list its shares in {city}",
        "New listing of {company} unit priced at {n}",
        "IPO of {person} 's firm set for {day}",
    )),
    Topic("Legal | Regulation", 4, "courts", (
        "Court in {city} fines {company}",
        "{company} sued by {person} over {bad}",
        "Judge in {city} clears {bank} & {company}",
    )),
    Topic("M&A | Investments", 4, "deals", (
        "{company} to buy rival {company_2}",
        "{company} takes a stake in {company_2}",
        "${ticker} - {bank} invests in {company}",
    )),
    Topic("Macro", 7, "economy", (
        "Inflation {up} to {n} in {city}",
        "Jobless claims {down} & growth in {city} is {bright}",
        "Economy of {city} grew by {n}, data show",
    )),
    Topic("Markets", 5, "stock market", (
        "Stocks in {city} close higher on {day}",
        "Stock index {down} {n} at the open on {day}",
        "Market wrap of {day}: stocks & bonds {flat} in {city}",
    )),
    Topic("Politics", 5, "politics", (
        "Senator {person} wins vote in {city}",
        "Parliament in {city} votes on {day}",
        "Minister {person} & rivals debate",
    )),
    Topic("Personnel Change", 3, "people", (
        "{company} names {person} as new head",
        "{person} quits {company} after {n} years",
        "${ticker} - {company} finance chief steps down on {day}",
    )),
    Topic("Stock Commentary", 8, "stock tips", (
        "Why I keep my {company} shares {soon}",
        "${ticker}: {n} reasons to own {company}",
        "My view: {company} is cheap & {bright}",
    )),
    Topic("Stock Movement", 7, "movers", (
        "${ticker} shares {up} {n} on {day}",
        "{company} stock {down} {n} after hours",
        "Movers: {company} {up}, {company_2} {down}",
    )),
)  # fmt: skip
